# SPDX-License-Identifier: Apache-2.0
"""Search the prompts that were sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Footer, Input, OptionList, Static

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.sanitize import sanitize, sanitize_line
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.widgets.choices import Choices
from yuren_tui.widgets.safe_input import SafeInput

_LINES = 4  # of the highlighted prompt
_LONGEST = 600  # characters of it


class PromptSearch(SafeInput):
    """The field that keeps the focus. Its own Enter comes after the letters before it."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("enter", "submit", "history.take", show=True)]


class PromptHistory(TranslatedModal[str | None]):
    """The search; its result is a prompt.

    Args:
        find: prompts with a text in them, the latest first.
    """

    CSS_PATH = "prompt_history.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("up", "move(-1)", "history.up"),
        bind("down,ctrl+r", "move(1)", "history.down"),
    ]

    def __init__(self, find: Callable[[str], Sequence[str]]) -> None:
        super().__init__()
        self._find = find
        self._found: list[str] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="panel") as panel:
            panel.border_title = tr("history.title")
            yield PromptSearch(placeholder=tr("history.search"), id="search", compact=True)
            yield Choices(id="list")
            yield Static("", id="whole", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(Choices).can_focus = False
        self.query_one(Input).focus()
        self._show("")

    @on(Input.Changed)
    def _searched(self, event: Input.Changed) -> None:
        event.stop()
        self._show(event.value)

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_index < len(self._found):  # else it was typed on meanwhile
            self._show_whole(self._found[event.option_index])

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_index < len(self._found):
            self.dismiss(self._found[event.option_index])

    def action_move(self, step: int) -> None:
        """Highlight another."""
        self.query_one(Choices).move(step)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        place = self.query_one(Choices).highlighted
        if place is not None and place < len(self._found):
            self.dismiss(self._found[place])

    def _show(self, wanted: str) -> None:
        try:
            self._found = list(self._find(wanted))
        except YurenError as error:
            self.notify(sanitize(error.message), severity="error", markup=False)
        lines = [Content(sanitize_line(" ".join(one[:400].split()))) for one in self._found]
        self.query_one(Choices).show(lines)
        if self._found:
            self._show_whole(self._found[0])  # a list that is not running yet tells of nothing
        else:
            empty = Content.styled(tr("history.none"), "$foreground 55%")
            self.query_one("#whole", Static).update(empty)

    def _show_whole(self, text: str) -> None:
        lines = sanitize(text[:_LONGEST]).splitlines()
        more = ["…"] if len(lines) > _LINES or len(text) > _LONGEST else []
        self.query_one("#whole", Static).update(Content("\n".join([*lines[:_LINES], *more])))
