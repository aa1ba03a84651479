# SPDX-License-Identifier: Apache-2.0
"""Pictures from files: open, verify, orient, bring to 8-bit RGB, measure and hash.

A file is read once, as bytes, and everything is said about those bytes; its content decides what
it is, never its suffix. Whatever cannot be shown rightly is an `ImageError` that names the file.
Refused before anything is decoded: what is no regular file (a FIFO or a device would hang),
more than `MAX_BYTES`, more than `MAX_PIXELS`, and formats that need other programs. Imports
Pillow, so nothing that runs before the chat's first frame may import this module.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from yuren_core.attachments import printable
from yuren_core.errors import ImageError
from yuren_core.i18n import reason_of, tr
from yuren_core.messages import ImagePart

MAX_BYTES = 64 * 1024 * 1024
"""The largest file that is read, in bytes."""

MAX_PIXELS = 100_000_000
"""The largest picture that is decoded, in pixels; 300 MB as RGB."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "ICO", "PPM", "JPEG2000")
"""What is decoded, by Pillow's names."""

_SIGNATURES = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF8",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"\0\0\1\0",
    b"\0\0\0\x0cjP  ",
)
"""How files of readable formats begin; such a file that is not recognised is a damaged one."""

_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    EOFError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders raise on hostile bytes."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # or it writes over the terminal
_warnings_lock = threading.Lock()  # warnings.catch_warnings is not safe between threads


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """A picture that has been decoded whole and can be used.

    Attributes:
        path: absolute; symbolic links are not followed.
        sha256: hex digest of the file's bytes.
        width: pixels, as shown, that is after EXIF orientation.
        height: pixels, as shown.
        format: Pillow's name of what the content is, e.g. "PNG".
        frames: of an animation, or pages; only the first is ever used.
        size_bytes: of the file.
    """

    path: str
    sha256: str
    width: int
    height: int
    format: str
    frames: int
    size_bytes: int


def inspect_image(path: Path | str) -> ImageInfo:
    """Verify a picture by decoding it whole, and describe it.

    Args:
        path: a file; `~` and quotes are not understood here (see `yuren_core.attachments`).

    Returns:
        The description.

    Raises:
        ImageError: the file cannot be read, is no picture, is damaged, or is too large.
    """
    data = _read(path)
    picture, image_format, frames = _decode(path, data)
    return ImageInfo(
        path=str(Path(path).absolute()),
        sha256=hashlib.sha256(data).hexdigest(),
        width=picture.width,
        height=picture.height,
        format=image_format,
        frames=frames,
        size_bytes=len(data),
    )


def open_rgb(path: Path | str) -> Image.Image:
    """The picture as a person sees it: upright, on white, 8-bit RGB, the first frame.

    Args:
        path: a file.

    Returns:
        An image of mode "RGB", independent of the file.

    Raises:
        ImageError: as `inspect_image`; what that accepts, this opens.
    """
    return _decode(path, _read(path))[0]


def image_part(path: Path | str) -> ImagePart:
    """The part of a message for a verified picture.

    Raises:
        ImageError: as `inspect_image`.
    """
    info = inspect_image(path)
    return ImagePart(info.path, info.sha256)


# ---------------------------------------------------------------- bytes


def _read(path: Path | str) -> bytes:
    try:
        _require_regular_file(path, Path(path).stat())
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            # Asked again of the open file: the name may lead elsewhere by now.
            _require_regular_file(path, os.fstat(file.fileno()))
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _refusal("absent", path) from error
    except PermissionError as error:
        raise _refusal("forbidden", path) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _refusal("unreadable", path, reason=reason_of(error)) from error
    if not data:
        raise _refusal("empty", path)
    if len(data) > MAX_BYTES:
        raise _too_many_bytes(path)
    return data


def _require_regular_file(path: Path | str, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise _refusal("directory", path)
    if not stat.S_ISREG(status.st_mode):
        raise _refusal("special", path)
    if status.st_size > MAX_BYTES:
        raise _too_many_bytes(path)


def _too_many_bytes(path: Path | str) -> ImageError:
    return _refusal("too_many_bytes", path, limit=MAX_BYTES // 2**20)


# ---------------------------------------------------------------- pixels


def _decode(path: Path | str, data: bytes) -> tuple[Image.Image, str, int]:
    """The RGB picture, the name of its format, and how many frames the file holds."""
    damaged = _refusal("damaged", path)
    with _no_warnings():
        try:
            image = Image.open(BytesIO(data), formats=FORMATS)
        except Image.DecompressionBombError as error:
            raise _too_many_pixels(path) from error
        except UnidentifiedImageError as error:
            raise _unidentified(path, data) or damaged from error
        except _DECODER_ERRORS as error:
            raise damaged from error
        if image.width * image.height > MAX_PIXELS:
            raise _too_many_pixels(path, image.size)
        try:
            image.load()
        except Image.DecompressionBombError as error:  # an ICO may hold more than it announces
            raise _too_many_pixels(path) from error
        except _DECODER_ERRORS as error:
            raise damaged from error
        # A camera's MPO is a JPEG with another view appended, not an animation.
        image_format = "JPEG" if image.format == "MPO" else str(image.format)
        try:
            picture = _rgb(_upright(image))
        except _DECODER_ERRORS as error:
            raise _refusal("colours", path, mode=image.mode) from error
        return picture, image_format, 1 if image_format == "JPEG" else _count_frames(image)


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Pillow warns of bombs and odd metadata; here, it is refused or it is shown."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _count_frames(image: Image.Image) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except _DECODER_ERRORS:  # cut off behind the first frame, which is whole
        return 1


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image) or image
    except _DECODER_ERRORS:  # unreadable EXIF says nothing about orientation
        return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return _eight_bits(image).convert("RGB")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and float greys to "L"; Pillow's own conversion clips at 255.

    Integers up to 65535 are taken for 16-bit and floats up to 1 for fractions; beyond that, the
    brightest pixel becomes white.
    """
    wide: Any = image.convert("F")
    _, brightest = wide.getextrema()
    usual = 1.0 if image.mode == "F" else 65535.0
    scale = 255.0 / max(usual, brightest)
    grey: Image.Image = wide.point(lambda value: value * scale + 0.5).convert("L")
    return grey


# ---------------------------------------------------------------- refusals


def _refusal(key: str, path: Path | str, **values: object) -> ImageError:
    """The error of `error.image.<key>` in the catalogue, with its hint."""
    return ImageError(
        tr(f"error.image.{key}", path=printable(path), **values), tr(f"error.image.{key}_hint")
    )


def _too_many_pixels(path: Path | str, size: tuple[int, int] | None = None) -> ImageError:
    extent = f" ({size[0]} x {size[1]})" if size else ""
    return _refusal("too_many_pixels", path, limit=MAX_PIXELS // 10**6, extent=extent)


def _unidentified(path: Path | str, data: bytes) -> ImageError | None:
    """What an unrecognised file is; None for a readable format that is damaged."""
    is_riff, is_iso = data[8:12] == b"WEBP", data[4:8] == b"ftyp"
    if data.startswith(_SIGNATURES) or is_riff or (is_iso and data[8:12] in (b"avif", b"avis")):
        return None
    if kind := _foreign_kind(data):
        return _refusal("foreign", path, kind=kind)
    return _refusal("no_picture", path)


def _foreign_kind(data: bytes) -> str:
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if data[4:8] == b"ftyp":
        is_heic = data[8:11] in (b"hei", b"hev", b"mif", b"msf")
        return "HEIC" if is_heic else tr("error.image.kind_video")
    if b"<svg" in head:
        return "SVG"
    if head.startswith((b"<!doctype html", b"<html")):
        return tr("error.image.kind_web_page")
    if head.startswith(b"\x1a\x45\xdf\xa3"):  # Matroska and WebM
        return tr("error.image.kind_video")
    starts = {b"%pdf": "PDF", b"8bps": "PSD", b"%!ps": "PostScript"}
    return next((kind for start, kind in starts.items() if head.startswith(start)), "")
