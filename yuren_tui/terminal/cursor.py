# SPDX-License-Identifier: Apache-2.0
"""Keep the terminal's own cursor where one types: input methods open their window there.

Textual moves it when the cursor of a text field moves, but not when the field itself moves: when
it grows by a line, when pictures appear above it, or when the window is resized.
"""

from __future__ import annotations

from textual.geometry import Offset
from textual.screen import Screen


def follow_cursor(screen: Screen[object]) -> None:
    """Move the terminal's cursor along whenever this screen is laid out anew.

    Args:
        screen: a mounted screen; call it once.
    """
    screen.screen_layout_refresh_signal.subscribe(screen, lambda _: place_cursor(screen))


def place_cursor(screen: Screen[object]) -> None:
    """Put the terminal's cursor where the focused field of a screen has its own."""
    focused = screen.focused
    offset = getattr(focused, "cursor_screen_offset", None)
    if focused is None or not isinstance(offset, Offset) or not screen.is_current:
        return
    if screen.app.cursor_position != offset:
        screen.app.cursor_position = offset
        focused.refresh()  # the cursor goes there with the next thing that is drawn
