# SPDX-License-Identifier: Apache-2.0
"""Some lines to read: what a command has to show."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Footer, Static

from yuren_tui.bindings import bind
from yuren_tui.sanitize import LineLimiter, sanitize
from yuren_tui.screens.base import TranslatedModal

_LONGEST = 60_000  # characters


class ReadScreen(TranslatedModal[None]):
    """The lines, as they are; markup off.

    Args:
        text: what is to be read.
        title: above it.
    """

    CSS_PATH = "reading.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("enter,q", "close", "modal.close_help"),
        bind("up,k", "scroll(-1)", "modal.up"),
        bind("down,j", "scroll(1)", "modal.down"),
        bind("pageup", "scroll(-10)", "modal.page_up"),
        bind("pagedown,space", "scroll(10)", "modal.page_down"),
    ]

    def __init__(self, text: str, title: str = "") -> None:
        super().__init__()
        self._text = LineLimiter(total=_LONGEST).feed(sanitize(text))
        self._title = title

    def compose(self) -> ComposeResult:
        with Vertical(id="panel") as panel:
            panel.border_title = self._title
            with VerticalScroll(id="lines", can_focus=True):
                yield Static(Content(self._text))
        yield Footer(show_command_palette=False)

    def action_scroll(self, lines: int) -> None:
        """Scroll so many lines."""
        self.query_one("#lines").scroll_relative(y=lines, animate=False)
