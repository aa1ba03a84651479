# SPDX-License-Identifier: Apache-2.0
"""Pictures of training data: where a row says they are, and opening them.

A row names a picture by a path, or holds it as a `data:` URL or as Parquet's bytes; the latter
are brought into one form, the `data:` URL, until `opened` writes them into a file named by
their sha256. Nothing is fetched from the network.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from yuren_core.errors import ImageError
from yuren_core.i18n import tr
from yuren_core.images import image_part
from yuren_core.messages import ImagePart, Part, TextPart
from yuren_core.paths import atomic_write
from yuren_core.training_format import IMAGE_TAG
from yuren_train.data.faults import Wrong, shortened

_DATA_URL = "data:"


def picture_of(value: object, base: Path) -> ImagePart:
    """The picture that a value of a row names; it is not opened.

    Args:
        value: a path, a `file:` or `data:` URL, OpenAI's `{"url": ...}`, or `{"bytes", "path"}` as
            Parquet files of `datasets` have it.
        base: what a relative path is relative to.

    Raises:
        Wrong: something else, or a URL of the network.
    """
    match value:
        case {"url": str() as url}:
            return picture_of(url, base)
        case {"bytes": bytes() as data}:
            return ImagePart(f"{_DATA_URL};base64,{base64.b64encode(data).decode()}", "")
        case {"path": str() as path} if isinstance(value, Mapping):
            return picture_of(path, base)
        case str() if value.startswith(_DATA_URL):
            return ImagePart(value, "")
        case str() if value.startswith(("http://", "https://")):
            raise Wrong("image_remote", shortened(value))
        case str() if value:
            path = unquote(urlsplit(value).path) if value.startswith("file://") else value
            return ImagePart(os.path.abspath(base / path), "")  # noqa: PTH100, keeps links
        case _:
            raise Wrong("image_kind", shortened(value))


def parts_around(text: str, waiting: list[ImagePart]) -> list[Part]:
    """Text with each `<image>` replaced by the next of the waiting pictures, which it takes.

    The line break that LLaVA's data puts between a picture and the question is not part of the
    question, and is left out at both ends of the text: so a picture before a question is told
    as the chat tells it.

    Raises:
        Wrong: there are more `<image>` than pictures.
    """
    pieces = text.split(IMAGE_TAG)
    if len(pieces) - 1 > len(waiting):
        raise Wrong("image_count", f"{len(waiting)}, {len(pieces) - 1} {IMAGE_TAG}")
    parts: list[Part] = []
    for number, piece in enumerate(pieces):
        if number:
            parts.append(waiting.pop(0))
        words = piece
        if number and not any(before.strip() for before in pieces[:number]):
            words = words.removeprefix("\n")
        if number < len(pieces) - 1 and not any(after.strip() for after in pieces[number + 1 :]):
            words = words.removesuffix("\n")
        if words:
            parts.append(TextPart(words))
    return parts


def is_data_url(path: str) -> bool:
    """Whether a picture's path is no file's, but holds the picture itself."""
    return path.startswith(_DATA_URL)


def opened(picture: ImagePart, store: Path | None) -> ImagePart:
    """Decode a picture whole, and name it by its hash.

    Args:
        picture: of a row.
        store: the directory that pictures out of `data:` URLs are written into; None keeps none
            of them.

    Returns:
        The picture with its sha256, at a path that can be opened where there is a store.

    Raises:
        ImageError: it is missing, damaged, or no picture.
    """
    if not is_data_url(picture.path):
        return image_part(picture.path)
    data = _bytes_of(picture.path)
    sha256 = hashlib.sha256(data).hexdigest()
    if store is None:
        with TemporaryDirectory() as directory:
            (path := Path(directory) / sha256).write_bytes(data)
            return image_part(path)
    path = store / sha256[:2] / sha256
    if not path.exists():
        atomic_write(path, data)
    return image_part(path)


def _bytes_of(url: str) -> bytes:
    head, comma, body = url.partition(",")
    try:
        if comma and head.endswith(";base64"):
            return base64.b64decode(unquote(body), validate=True)
        if comma:
            return unquote_to_bytes(body)
    except (binascii.Error, ValueError):
        pass
    raise ImageError(tr("error.data.data_url", url=f"{url[:40]}…"), tr("error.data.data_url_hint"))
