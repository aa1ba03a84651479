# SPDX-License-Identifier: Apache-2.0
"""The whole tree of a chat, the path that is shown marked; Enter goes to any branch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Footer, OptionList, Static

from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.screens.tree_rows import row_content, tree_rows
from yuren_tui.store import StoredMessage
from yuren_tui.widgets.choices import Choices


class TreeScreen(TranslatedModal[int | None]):
    """The tree; its result is the id of the message to go to.

    Args:
        messages: all of the chat's, parents before children.
        active: ids of the path that is shown, in order.
        current: the message to begin at; the last of the path where it is None.
        model_name: who answers where a message does not say.
    """

    CSS_PATH = "tree.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("enter", "go", "tree.go", show=True, priority=True),
        bind("f3,ctrl+b", "close", "modal.close_tree"),
        bind("k", "step(-1)", "list.up"),
        bind("j", "step(1)", "list.down"),
    ]

    def __init__(
        self,
        messages: Sequence[StoredMessage],
        active: Sequence[int],
        *,
        current: int | None = None,
        model_name: str = "",
    ) -> None:
        super().__init__()
        self._rows = tree_rows(messages, active)
        self._model_name = model_name
        ids = [row.message.id for row in self._rows]
        wanted = current if current in ids else active[-1] if active else None
        self._start = ids.index(wanted) if wanted in ids else 0
        leaves = len({row.message.id for row in self._rows} - {m.parent_id for m in messages})
        self._summary = tr("tree.summary", messages=len(messages), branches=leaves)

    def compose(self) -> ComposeResult:
        with Vertical(id="panel") as panel:
            panel.border_title = tr("tree.title")
            yield Static(Content(self._summary), id="summary")
            yield Choices(id="choices")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one(Choices).focus()
        self.call_after_refresh(self._draw, self._start)

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._draw, None)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._rows[event.option_index].message.id)

    def action_go(self) -> None:
        """Go to the highlighted message."""
        place = self.query_one(Choices).highlighted
        self.dismiss(None if place is None else self._rows[place].message.id)

    def action_step(self, step: int) -> None:
        """Highlight another message."""
        self.query_one(Choices).move(step)

    def _draw(self, highlighted: int | None) -> None:
        choices = self.query_one(Choices)
        width = max(10, choices.scrollable_content_region.width)
        place = choices.highlighted if highlighted is None else highlighted
        lines = [row_content(row, width, self._model_name) for row in self._rows]
        choices.show(lines, highlighted=place)
        self.call_after_refresh(choices.scroll_to_highlight)
