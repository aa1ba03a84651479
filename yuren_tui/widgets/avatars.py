# SPDX-License-Identifier: Apache-2.0
"""Small pictures as lines of text, for entries of a list. Uses Pillow: call it in a thread."""

from __future__ import annotations

from textual.color import Color
from textual.content import Content
from textual.style import Style

from yuren_core.errors import YurenError
from yuren_tui.thumbnails import Pixel, thumbnail


def avatar_lines(path: str, columns: int, rows: int) -> tuple[Content, ...]:
    """A picture in half blocks, exactly so many lines of exactly so many cells.

    Args:
        path: the picture's file; empty for none.
        columns: cells across.
        rows: lines.

    Returns:
        The lines; blank ones where there is no picture, or none that can be read.
    """
    drawn: list[Content] = []
    if path:
        try:
            small = thumbnail(path, columns, rows)
        except YurenError:
            pass  # whoever made the preset is told when it is edited; a list goes on
        else:
            gap = " " * (columns - small.columns)
            drawn = [
                Content.assemble(*((("▀", _style(*cell))) for cell in row), gap)
                for row in small.rows
            ]
    return (*drawn, *([Content(" " * columns)] * (rows - len(drawn))))


def _style(upper: Pixel, lower: Pixel | None) -> Style:
    background = None if lower is None else Color(*lower)
    return Style(foreground=Color(*upper), background=background)
