# SPDX-License-Identifier: Apache-2.0
"""Small pictures for tests, made by code: the four quarters are red, green, blue and yellow."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

RED, GREEN, BLUE, YELLOW = (230, 20, 20), (20, 200, 20), (20, 20, 230), (240, 220, 20)

WIDTH, HEIGHT = 48, 32


def quarters(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Red at the top left, green at the top right, blue and yellow below."""
    image = Image.new("RGB", (2, 2))
    for place, colour in zip(((0, 0), (1, 0), (0, 1), (1, 1)), colours(), strict=True):
        image.putpixel(place, colour)
    return image.resize((width, height), Image.Resampling.NEAREST)


def colours() -> tuple[tuple[int, int, int], ...]:
    """The quarters' colours, row by row."""
    return RED, GREEN, BLUE, YELLOW


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """The picture as a file's bytes."""
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def write(path: Path, image: Image.Image, image_format: str = "PNG", **options: Any) -> Path:
    """Save a picture under any name, whatever its suffix says."""
    path.write_bytes(encoded(image, image_format, **options))
    return path


def seen(image: Image.Image) -> tuple[tuple[int, ...], ...]:
    """The colours at the middle of the four quarters, row by row."""
    xs, ys = (image.width // 4, image.width * 3 // 4), (image.height // 4, image.height * 3 // 4)
    pixels = [image.getpixel((x, y)) for y in ys for x in xs]
    return tuple(pixel if isinstance(pixel, tuple) else (int(pixel or 0),) for pixel in pixels)


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces any size and holds next to nothing: a decompression bomb's head."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
