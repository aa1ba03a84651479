# SPDX-License-Identifier: Apache-2.0
"""The prompt: Enter sends, a pasted picture's path attaches it, Up and Down reach older prompts.

What older prompts are is the parent's to know: the prompt only says that its edge was passed.
While a list of completions is open above it, the parent sets `is_completing`; the keys that move
in a list then go there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive

from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.sanitize import sanitize
from yuren_tui.widgets.edit_area import PASTE_LIMIT, EditArea

__all__ = ["PASTE_LIMIT", "PromptArea"]


class PromptArea(EditArea):
    """Where the person writes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("tab", "complete", "prompt.complete"),
        bind("escape", "leave_list", "prompt.leave_list"),
        bind("enter", "submit", "prompt.send", show=True, priority=True),
        bind("ctrl+j,shift+enter", "newline", "prompt.newline", show=True, priority=True),
    ]

    @dataclass
    class Submitted(Message):
        """The person wants to send what stands in the prompt."""

        text: str

    @dataclass
    class PicturesPasted(Message):
        """Paths of files were pasted or dropped."""

        paths: tuple[Path, ...]

    @dataclass
    class EdgePassed(Message):
        """The cursor was to go above the first line (-1) or below the last (1)."""

        step: Literal[-1, 1]

    @dataclass
    class ListMoved(Message):
        """The key of a direction was pressed while completions are shown."""

        step: Literal[-1, 1]

    class Taken(Message):
        """The highlighted completion is wanted."""

    class ListLeft(Message):
        """No completion is wanted."""

    is_completing: reactive[bool] = reactive(False)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, placeholder=tr("chat.placeholder"))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.is_completing if action in ("complete", "leave_list") else True

    def action_submit(self) -> None:
        """Send."""
        self.post_message(self.Submitted(self.text))

    def action_complete(self) -> None:
        """Take the highlighted completion."""
        self.post_message(self.Taken())

    def action_leave_list(self) -> None:
        """Hide the completions."""
        self.post_message(self.ListLeft())

    def action_newline(self) -> None:
        """Break the line."""
        self.insert_typed("\n")

    def action_cursor_up(self, select: bool = False) -> None:
        """A line up; from the first line to the prompt before."""
        self._move(-1, select)

    def action_cursor_down(self, select: bool = False) -> None:
        """A line down; from the last line to the prompt after."""
        self._move(1, select)

    def put_back(self, text: str, *, selected: bool = False) -> None:
        """Restore a text that could not be sent, before whatever was written since.

        Args:
            text: as it was.
            selected: whether what is typed next takes its place, unless there is more by now.
        """
        since, text = self.text, sanitize(text)
        self.text = f"{text}\n{since}" if since.strip() else text
        self.move_cursor(self.document.end)
        if selected and not since.strip():
            self.select_all()

    def _move(self, step: Literal[-1, 1], select: bool) -> None:
        navigator = self.navigator
        at_edge = navigator.is_first_wrapped_line if step < 0 else navigator.is_last_wrapped_line
        if self.is_completing and not select:
            self.post_message(self.ListMoved(step))
        elif not select and at_edge(self.cursor_location):
            self.post_message(self.EdgePassed(step))
        else:
            self.move_line(step, select)

    def move_line(self, step: Literal[-1, 1], select: bool = False) -> None:
        """Move the cursor a line, within the text; at an edge to the very end of it."""
        if step < 0:
            super().action_cursor_up(select)
        else:
            super().action_cursor_down(select)

    async def _on_paste(self, event: events.Paste) -> None:
        # Textual goes on to the handler of `EditArea` unless this one prevents it.
        from yuren_core.attachments import paths_in_paste

        if paths := paths_in_paste(event.text):
            event.prevent_default()
            event.stop()
            self.post_message(self.PicturesPasted(paths))
