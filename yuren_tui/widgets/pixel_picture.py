# SPDX-License-Identifier: Apache-2.0
"""textual-image's widgets for sixels and kitty's protocol, made fit for a running app.

That package asks the terminal about itself while it is imported and takes the size of a cell from
what it hears; in a running app, Textual would get the answers. It is imported here with no
terminal in sight, and told the size. Its kitty part writes past Textual's own writer, in the middle
of what that writes; here both go the same way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from textual.widget import Widget

if TYPE_CHECKING:
    from PIL import Image


class _Output(StringIO):
    """A file whose words go to the terminal by way of Textual."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def write(self, text: str) -> int:
        self._write(text)
        return len(text)


def pixel_picture(
    picture: Image.Image,
    *,
    protocol: Literal["sixel", "kitty"],
    cell: tuple[int, int],
    write: Callable[[str], None],
) -> Widget:
    """A widget that shows a picture's pixels.

    Args:
        picture: as large as it is to be shown; the widget's size in cells is the caller's to set.
        protocol: which of the two.
        cell: pixels of a cell, across and down.
        write: writes to the terminal, in order with what Textual draws.

    Returns:
        The widget, not mounted; `free` it before it goes.
    """
    with _no_terminal():
        from textual_image import _terminal
        from textual_image.renderable import tgp
        from textual_image.widget import SixelImage, TGPImage
    _terminal.get_cell_size._result = _terminal.CellSize(*cell)
    tgp.sys = SimpleNamespace(__stdout__=_Output(write))
    widget: Widget = SixelImage(picture) if protocol == "sixel" else TGPImage(picture)
    return widget


def free(widget: Widget) -> None:
    """Let the terminal forget a picture."""
    shown: Any = widget
    if getattr(shown, "image", None) is not None:
        shown.image = None


@contextmanager
def _no_terminal() -> Iterator[None]:
    """No terminal for what is imported meanwhile."""
    real = sys.__stdout__
    sys.__stdout__ = StringIO()  # type: ignore[misc,assignment]
    try:
        yield
    finally:
        sys.__stdout__ = real  # type: ignore[misc]
