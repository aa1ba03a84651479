# SPDX-License-Identifier: Apache-2.0
"""Ask for one line: a title, a path."""

from __future__ import annotations

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Footer, Input, Static

from yuren_tui.screens.base import TranslatedModal
from yuren_tui.widgets.safe_input import SafeInput


class AskLine(TranslatedModal[str | None]):
    """The question; its result is the line, None for none.

    Args:
        title: what is asked for.
        text: the line to begin with.
        hint: what is to be known, below it.
        doubts: says why a line had better be thought over; Enter once more takes it all the same.
    """

    CSS_PATH = "ask_line.tcss"

    def __init__(
        self, title: str, text: str, *, hint: str = "", doubts: Callable[[str], str] | None = None
    ) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._hint = hint
        self._doubts = doubts
        self._doubted: str | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="panel") as panel:
            panel.border_title = self._title
            yield SafeInput(self._text, id="line", compact=True, select_on_focus=False)
            yield Static(Content(self._hint), id="hint")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one("#line").focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        line = event.value.strip()
        doubt = self._doubts(line) if self._doubts and line != self._doubted else ""
        if doubt:
            self._doubted = line
            self.query_one("#hint", Static).update(Content.assemble((doubt, "$warning")))
        else:
            self.dismiss(line)
