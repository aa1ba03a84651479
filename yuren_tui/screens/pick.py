# SPDX-License-Identifier: Apache-2.0
"""Choose one of a few things: the menu of a message, one of its code blocks, a format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Footer, OptionList

from yuren_tui.bindings import bind
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.widgets.choices import Choices


class _Menu(Choices):
    """The entries; the footer says that Enter chooses, as nothing else here does."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("enter", "select", "list.choose", show=True)]


class PickScreen(TranslatedModal[int | None]):
    """The list; its result is the place of what was chosen.

    Args:
        title: what is chosen.
        entries: one each, in order.
        keys: keys that choose at once, each with its entry's place.
        highlighted: the place to begin at.
    """

    CSS_PATH = "pick.tcss"

    def __init__(
        self,
        title: str,
        entries: Sequence[Content],
        *,
        keys: Mapping[str, int] | None = None,
        highlighted: int = 0,
    ) -> None:
        super().__init__()
        self._title = title
        self._entries = entries
        self._keys = keys or {}
        self._highlighted = highlighted

    def compose(self) -> ComposeResult:
        with Vertical(id="panel") as panel:
            panel.border_title = self._title
            yield _Menu(id="choices")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(Choices).show(self._entries, highlighted=self._highlighted)
        self.query_one(Choices).focus()

    def on_key(self, event: events.Key) -> None:
        if (place := self._keys.get(event.key)) is not None:
            event.stop()
            self.dismiss(place)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(event.option_index)
