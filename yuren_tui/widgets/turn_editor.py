# SPDX-License-Identifier: Apache-2.0
"""The editor in a message: Enter is done or sends, Esc leaves it for later with every word kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.widgets.edit_area import EditArea


class TurnEditor(EditArea):
    """Where a message is edited.

    Args:
        turn_id: whose words.
        text: the words to begin with.
        sends: whether Enter asks the model anew; otherwise it keeps the words as a new branch.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("enter", "done", "editor.done", show=True, priority=True),
        bind("enter", "send", "editor.send", show=True, priority=True),
        bind("ctrl+j,shift+enter", "newline", "editor.newline", show=True, priority=True),
        bind("escape", "leave", "editor.leave", show=True, priority=True),
        bind("ctrl+r", "revert", "editor.revert", show=True, priority=True),
    ]

    @dataclass
    class Done(Message):
        """The edit is finished."""

        turn_id: int
        text: str
        sends: bool

    @dataclass
    class Left(Message):
        """The edit is left for later; `text` is None where it is thrown away."""

        turn_id: int
        text: str | None

    def __init__(self, turn_id: int, text: str, *, sends: bool) -> None:
        super().__init__(text)
        self.turn_id = turn_id
        self._sends = sends

    def on_mount(self) -> None:
        self.border_title = Content(tr("turns.editing_resend" if self._sends else "turns.editing"))
        keys = "turns.resending_keys" if self._sends else "turns.editing_keys"
        self.border_subtitle = Content(tr(keys))
        self.move_cursor(self.document.end)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._sends is (action == "send") if action in ("done", "send") else True

    def action_send(self) -> None:
        """Ask the model anew."""
        self.action_done()

    def action_done(self) -> None:
        """Use the words."""
        self.post_message(self.Done(self.turn_id, self.text, self._sends))

    def action_newline(self) -> None:
        """Break the line."""
        self.insert_typed("\n")

    def action_leave(self) -> None:
        """Go on later."""
        self.post_message(self.Left(self.turn_id, self.text))

    def action_revert(self) -> None:
        """Throw the edit away."""
        self.post_message(self.Left(self.turn_id, None))
