# SPDX-License-Identifier: Apache-2.0
"""Colours and motion as the person, or the environment, asks for them.

NO_COLOR is Textual's to obey, and it does; what is said by colour alone is said by words as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.app import App
from textual.screen import Screen
from textual.widgets import Input, TextArea

from yuren_tui.terminal.environment import wants_reduced_motion
from yuren_tui.themes import CONTRAST, DARK, LIGHT

_SHORT = {"dark": DARK, "light": LIGHT, "contrast": CONTRAST}


def theme_name(theme: str, *, high_contrast: bool = False) -> str:
    """A theme's full name; the one of strongest contrast where that is asked for."""
    return CONTRAST if high_contrast else _SHORT.get(theme, theme)


def apply_motion(app: App[Any], *, reduced_motion: bool, environment: Mapping[str, str]) -> None:
    """Animate, or let everything stand still, cursors too.

    Args:
        app: the running app.
        reduced_motion: nothing is to move.
        environment: TEXTUAL_ANIMATIONS=none there asks for the same.
    """
    is_still = reduced_motion or wants_reduced_motion(environment)
    app.animation_level = "none" if is_still else "full"
    for screen in app.screen_stack:
        still_cursors(screen, is_still=is_still)


def still_cursors(screen: Screen[Any], *, is_still: bool = True) -> None:
    """Stop the blinking of a screen's text cursors, or start it again."""
    for area in screen.query(TextArea):
        area.cursor_blink = not is_still
    for field in screen.query(Input):
        field.cursor_blink = not is_still
