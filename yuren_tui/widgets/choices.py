# SPDX-License-Identifier: Apache-2.0
"""A list to choose from: keys with names, and entries that are shown as they are, markup off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from yuren_tui.bindings import bind


class Choices(OptionList, inherit_bindings=False):
    """A list; Enter chooses."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("enter", "select", "list.choose"),
        bind("up", "cursor_up", "list.up"),
        bind("down", "cursor_down", "list.down"),
        bind("pageup", "page_up", "list.page_up"),
        bind("pagedown", "page_down", "list.page_down"),
        bind("home", "first", "list.first"),
        bind("end", "last", "list.last"),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, markup=False, compact=True)

    def show(self, entries: Sequence[Content], *, highlighted: int | None = 0) -> None:
        """Show other entries.

        Args:
            entries: one each; a line break begins another line of the same entry.
            highlighted: the place of the one to begin with.
        """
        self.clear_options()
        self.add_options([Option(entry) for entry in entries])
        if entries:
            self.highlighted = highlighted
            self.call_after_refresh(self.scroll_to_highlight)  # sizes are known only then

    def move(self, step: int) -> None:
        """Highlight another entry, `step` places on; the ends hold."""
        if self.option_count:
            place = (-1 if self.highlighted is None else self.highlighted) + step
            self.highlighted = min(max(place, 0), self.option_count - 1)
