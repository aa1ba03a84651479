# SPDX-License-Identifier: Apache-2.0
"""What could be typed on, above the prompt; the prompt keeps the focus and says when to move."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import OptionList

from yuren_tui.sanitize import sanitize_line
from yuren_tui.widgets.choices import Choices
from yuren_tui.widgets.prompt import PromptArea

Offer = tuple[str, str]
"""What could be typed, and what it is."""


class CompletionList(Choices, can_focus=False):
    """The list; hidden while there is nothing to offer."""

    offers: reactive[tuple[Offer, ...]] = reactive(())

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.was_moved = False

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(PromptArea.Taken())

    def watch_offers(self, offers: Sequence[Offer]) -> None:
        self.was_moved = False
        self.display = bool(offers)
        width = min(28, max((Content(value).cell_length for value, _ in offers), default=0))
        self.show([_line(value, about, width) for value, about in offers])

    def step(self, step: int) -> None:
        """Highlight another, as the person wants it."""
        self.was_moved = True
        self.move(step)


def _line(value: str, about: str, width: int) -> Content:
    typed = Content(sanitize_line(value, limit=120))
    gap = " " * max(2, width - typed.cell_length + 2)
    return Content.assemble(typed, gap, (sanitize_line(about, limit=120), "$foreground 55%"))
