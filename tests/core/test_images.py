# SPDX-License-Identifier: Apache-2.0
"""Pictures that can be shown are shown rightly; the others are refused in one clear line."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.core.pictures import (
    BLUE,
    GREEN,
    HEIGHT,
    RED,
    WIDTH,
    YELLOW,
    colours,
    encoded,
    png_header,
    quarters,
    seen,
    write,
)
from yuren_core import images
from yuren_core.errors import ImageError
from yuren_core.images import image_part, inspect_image, open_rgb


def near(
    actual: tuple[tuple[int, ...], ...],
    expected: tuple[tuple[int, ...], ...],
    tolerance: int = 0,
) -> bool:
    return all(
        abs(a - b) <= tolerance
        for got, want in zip(actual, expected, strict=True)
        for a, b in zip(got, want, strict=True)
    )


def refused(path: Path | str) -> ImageError:
    """The error, alike from both doors, naming the file and a remedy."""
    with pytest.raises(ImageError) as inspecting:
        inspect_image(path)
    with pytest.raises(ImageError) as opening:
        open_rgb(path)
    assert str(inspecting.value) == str(opening.value)
    assert Path(path).name in inspecting.value.message
    assert "\n" not in inspecting.value.message
    assert inspecting.value.hint
    return inspecting.value


# ---------------------------------------------------------------- shown rightly


@pytest.mark.parametrize(
    ("image_format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("PPM", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("ICO", {"sizes": [(WIDTH, HEIGHT)]}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("GIF", {}, 0),
        ("JPEG", {"quality": 95, "subsampling": 0}, 6),
        ("JPEG2000", {}, 6),
        ("AVIF", {"quality": 95}, 8),
    ],
)
def test_every_readable_format(
    tmp_path: Path, image_format: str, options: dict[str, object], tolerance: int
) -> None:
    path = write(tmp_path / "picture.bin", quarters(), image_format, **options)
    info = inspect_image(path)
    assert (info.width, info.height, info.format) == (WIDTH, HEIGHT, image_format)
    assert (info.frames, info.size_bytes) == (1, path.stat().st_size)
    picture = open_rgb(path)
    assert (picture.mode, picture.size) == ("RGB", (WIDTH, HEIGHT))
    assert near(seen(picture), colours(), tolerance)


def test_info_tells_file_and_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "猫 🐱.png", quarters())
    monkeypatch.chdir(tmp_path)
    info = inspect_image("猫 🐱.png")
    assert info.path == str(path)
    assert info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    part = image_part("猫 🐱.png")
    assert (part.path, part.sha256) == (info.path, info.sha256)


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    path = write(tmp_path / "photo.jpg", quarters(), "PNG")
    assert inspect_image(path).format == "PNG"
    assert seen(open_rgb(path)) == colours()


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, image_format: str, orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = quarters().transpose(undo[orientation]) if orientation > 1 else quarters()
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = write(tmp_path / "turned", stored, image_format, exif=exif)
    info = inspect_image(path)
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    assert near(seen(open_rgb(path)), colours(), 40)


def test_broken_exif_does_not_hide_the_picture(tmp_path: Path) -> None:
    data = encoded(quarters(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\x01\x12")
    (tmp_path / "broken-exif.jpg").write_bytes(data)
    assert near(seen(open_rgb(tmp_path / "broken-exif.jpg")), colours(), 40)


def test_alpha_is_laid_on_white(tmp_path: Path) -> None:
    image = quarters().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, WIDTH // 2, HEIGHT // 2))
    image.paste((0, 0, 0, 128), (WIDTH // 2, 0, WIDTH, HEIGHT // 2))
    path = write(tmp_path / "alpha.png", image)
    assert near(seen(open_rgb(path)), ((255,) * 3, (127,) * 3, BLUE, YELLOW), 1)


def test_grey_with_alpha(tmp_path: Path) -> None:
    image = Image.new("LA", (8, 8), (0, 0))
    image.paste((90, 255), (4, 0, 8, 8))
    picture = open_rgb(write(tmp_path / "la.png", image))
    assert near(seen(picture), ((255,) * 3, (90,) * 3) * 2)


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = quarters().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    hidden = image.getpixel((0, 0))
    for image_format in ("PNG", "GIF"):
        path = write(tmp_path / "palette", image, image_format, transparency=hidden)
        assert near(seen(open_rgb(path)), ((255,) * 3, GREEN, BLUE, YELLOW), 2)


def test_palette_with_partial_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.paste(1, (4, 0, 8, 8))
    path = write(tmp_path / "palette.png", image, transparency=bytes([128, 255]))
    assert near(seen(open_rgb(path)), ((127,) * 3, (200, 0, 0)) * 2, 1)


def test_one_colour_transparent(tmp_path: Path) -> None:
    path = write(tmp_path / "trns.png", quarters(), transparency=RED)
    assert seen(open_rgb(path)) == ((255,) * 3, GREEN, BLUE, YELLOW)


def test_one_bit(tmp_path: Path) -> None:
    image = Image.new("1", (8, 8), 0)
    image.paste(1, (4, 0, 8, 8))
    assert seen(open_rgb(write(tmp_path / "bit.png", image))) == ((0,) * 3, (255,) * 3) * 2


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path, image_format: str) -> None:
    image = Image.new("I;16", (4, 4))
    values = (0, 257 * 60, 257 * 128, 65535)
    for index in range(16):
        image.putpixel((index % 4, index // 4), values[index % 2 + index // 8 * 2])
    picture = open_rgb(write(tmp_path / "deep", image, image_format))
    rows = [[picture.getpixel((x, y)) for x in (0, 1)] for y in (0, 2)]
    assert rows == [[(0,) * 3, (60,) * 3], [(128,) * 3, (255,) * 3]]


@pytest.mark.parametrize(
    ("mode", "values", "expected"),
    [
        ("I", (0, 65535), (0, 255)),
        ("I", (0, 2_000_000_000, 1_000_000_000), (0, 255, 128)),
        ("F", (0.0, 0.5, 1.0), (0, 128, 255)),
        ("F", (-5.0, 50.0, 100.0), (0, 128, 255)),
    ],
)
def test_wide_greys_are_scaled(
    tmp_path: Path, mode: str, values: tuple[float, ...], expected: tuple[int, ...]
) -> None:
    image = Image.new(mode, (len(values), 1))
    for x, value in enumerate(values):
        image.putpixel((x, 0), value)
    picture = open_rgb(write(tmp_path / "wide.tif", image, "TIFF"))
    assert [picture.getpixel((x, 0)) for x in range(len(values))] == [(v,) * 3 for v in expected]


@pytest.mark.parametrize("image_format", ["JPEG", "TIFF"])
def test_cmyk(tmp_path: Path, image_format: str) -> None:
    image = quarters().convert("CMYK")
    path = write(tmp_path / "print", image, image_format)
    if image_format == "JPEG":  # Pillow writes it as Adobe does: inverted
        assert b"Adobe" in path.read_bytes()
    assert near(seen(open_rgb(path)), colours(), 16)


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation(tmp_path: Path, image_format: str) -> None:
    others = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in (BLUE, GREEN)]
    path = write(tmp_path / "moving", quarters(), image_format, save_all=True, append_images=others)
    info = inspect_image(path)
    assert (info.format, info.frames) == (image_format, 3)
    assert near(seen(open_rgb(path)), colours(), 40)


def test_animation_cut_off_behind_its_first_frame_is_shown(tmp_path: Path) -> None:
    others = [Image.effect_noise((WIDTH, HEIGHT), 90) for _ in range(4)]
    data = encoded(quarters(), "GIF", save_all=True, append_images=others)
    path = tmp_path / "cut.gif"
    path.write_bytes(data[: len(data) * 2 // 3])
    assert near(seen(open_rgb(path)), colours(), 2)
    assert inspect_image(path).frames >= 1


def test_camera_jpeg_with_a_second_view_is_no_animation(tmp_path: Path) -> None:
    path = write(
        tmp_path / "camera.jpg", quarters(), "MPO", save_all=True, append_images=[quarters()]
    )
    info = inspect_image(path)
    assert (info.format, info.frames) == ("JPEG", 1)


# ---------------------------------------------------------------- refused


def test_missing(tmp_path: Path) -> None:
    assert "no file" in refused(tmp_path / "none.png").message
    (tmp_path / "file").write_text("")
    assert "no file" in refused(tmp_path / "file" / "inside.png").message


def test_directory(tmp_path: Path) -> None:
    assert "is a directory" in refused(tmp_path).message


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    assert "is empty" in refused(tmp_path / "empty.png").message


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "secret.png", quarters())
    if os.geteuid() == 0:  # nothing is forbidden to root: have the system say so

        def forbid(*_: object) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(images.os, "open", forbid)
    else:
        path.chmod(0)
    assert "may not be read" in refused(path).message


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
@pytest.mark.parametrize(
    "image_format",
    ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "ICO", "JPEG2000", "PPM"],
)
def test_truncated(
    tmp_path: Path, image_format: str, kept: float, capfd: pytest.CaptureFixture[str]
) -> None:
    data = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), image_format)
    path = tmp_path / "half.png"
    path.write_bytes(data[: max(12, int(len(data) * kept))])
    assert "damaged or cut off" in refused(path).message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"once upon a time", "not a picture"),
        (bytes(range(256)) * 4, "not a picture"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<!DOCTYPE html><title>404</title>", "a web page"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "a video"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
    ],
)
def test_not_a_picture_says_what_it_is_and_what_works(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(content)
    error = refused(path)
    assert kind in error.message
    assert "JPEG, WebP" in error.hint


@pytest.mark.parametrize("size", [(10_001, 10_000), (14_000, 10_000), (60_000, 60_000)])
def test_bomb_is_refused_before_decoding(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: Image.Image) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(*size))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert "more than 100 million pixels" in refused(path).message
    assert caught == []


def test_nothing_is_written_to_the_terminal(tmp_path: Path) -> None:
    data = bytearray(encoded(quarters(), "TIFF"))
    entry = data.index(struct.pack("<HHI", 277, 3, 1))  # samples per pixel
    data[entry + 8 : entry + 10] = struct.pack("<H", 2048)
    path = tmp_path / "many samples.tif"
    path.write_bytes(data)
    code = (
        "import contextlib; from yuren_core.images import ImageError, open_rgb\n"
        f"with contextlib.suppress(ImageError): open_rgb({str(path)!r})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")


def test_oversized_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)  # sparse: takes no space
    assert "larger than 64 MB" in refused(path).message


def test_fifo_and_devices_and_sockets_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a regular file" in refused(tmp_path / "pipe.png").message
    assert "not a regular file" in refused("/dev/zero").message
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.png"))
        assert "not a regular file" in refused(tmp_path / "s.png").message


def test_a_file_swapped_for_a_fifo_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "swapped.png", quarters())
    os.mkfifo(tmp_path / "pipe")
    real = os.open
    monkeypatch.setattr(images.os, "open", lambda _, flags: real(tmp_path / "pipe", flags))
    assert "not a regular file" in refused(path).message


def test_names_that_the_system_refuses(tmp_path: Path) -> None:
    long = "x" * 300 + ".png"
    with pytest.raises(ImageError, match="cannot read"):
        inspect_image(tmp_path / long)
    with pytest.raises(ImageError, match=r"cannot read .*a\\x00b\.png"):
        inspect_image("a\0b.png")
    (tmp_path / "round.png").symlink_to(tmp_path / "round.png")
    assert "cannot read" in refused(tmp_path / "round.png").message


def test_control_characters_of_a_name_do_not_reach_the_message(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        inspect_image(tmp_path / "\x1b]0;owned\x07\n<|im_end|>\udcff.png")
    assert r"\x1b]0;owned\x07\n<|im_end|>\udcff.png" in caught.value.message
    caught.value.message.encode()


BASES = [
    encoded(quarters(), image_format)
    for image_format in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "ICO", "JPEG2000")
]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    base=st.sampled_from(BASES),
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_damaged_bytes_give_a_picture_or_an_image_error(
    tmp_path: Path, base: bytes, edits: list[tuple[int, int]]
) -> None:
    data = bytearray(base)
    for place, value in edits:
        data[place % len(data)] = value
    path = tmp_path / "damaged"
    path.write_bytes(data)
    try:
        picture = open_rgb(path)
    except ImageError:
        return
    assert picture.mode == "RGB"
