# SPDX-License-Identifier: Apache-2.0
"""Small pictures out of half blocks: two pixels a cell, upper and lower.

Made by ourselves because textual-image asks the terminal about itself when it is imported. Uses
Pillow: call it in a thread, and never before the first frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Pixel = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """Rows of cells, each an upper and a lower pixel; `lower` is None below an odd last row."""

    columns: int
    rows: tuple[tuple[tuple[Pixel, Pixel | None], ...], ...]


@lru_cache(maxsize=256)
def thumbnail(path: str, columns: int, rows: int) -> Thumbnail:
    """A picture within so many cells, its proportions kept.

    Args:
        path: the picture's file.
        columns: most cells across.
        rows: most cells down; two pixels each.

    Returns:
        The cells' colours.

    Raises:
        ImageError: the file cannot be shown.
    """
    from PIL import Image

    from yuren_core.images import open_rgb

    picture = open_rgb(Path(path))
    scale = min(columns / picture.width, rows * 2 / picture.height)
    width = min(columns, max(1, round(picture.width * scale)))
    height = min(rows * 2, max(1, round(picture.height * scale)))
    small = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    data = small.tobytes()
    pixels: list[Pixel] = [(data[i], data[i + 1], data[i + 2]) for i in range(0, len(data), 3)]
    lines = [pixels[start : start + width] for start in range(0, len(pixels), width)]
    if len(lines) % 2:
        return Thumbnail(width, (*_paired(lines[:-1]), tuple((pixel, None) for pixel in lines[-1])))
    return Thumbnail(width, _paired(lines))


def _paired(lines: list[list[Pixel]]) -> tuple[tuple[tuple[Pixel, Pixel | None], ...], ...]:
    return tuple(
        tuple(zip(upper, lower, strict=True))
        for upper, lower in zip(lines[::2], lines[1::2], strict=True)
    )


def strips(picture: Thumbnail) -> list[Strip]:
    """The thumbnail as lines for a widget."""
    return [
        Strip([Segment("▀", _style(upper, lower)) for upper, lower in row], picture.columns)
        for row in picture.rows
    ]


def _style(upper: Pixel, lower: Pixel | None) -> Style:
    return Style(
        color=Color.from_rgb(*upper), bgcolor=None if lower is None else Color.from_rgb(*lower)
    )
