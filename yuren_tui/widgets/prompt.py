# SPDX-License-Identifier: Apache-2.0
"""The prompt: several lines, Enter sends, a pasted picture's path attaches it.

What is pasted is made safe first; a pasted text is cut where it would hang the editor, and the
person is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import TextArea

from yuren_tui.bindings import bind
from yuren_tui.i18n import tr
from yuren_tui.sanitize import sanitize

PASTE_LIMIT = 100_000  # characters; far over any context, and what the editor wraps at once


class PromptArea(TextArea, inherit_bindings=False):
    """Where the person writes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("enter", "submit", "prompt.send", show=True, priority=True),
        bind("ctrl+j,shift+enter", "newline", "prompt.newline", show=True, priority=True),
        bind("up", "cursor_up", "edit.up"),
        bind("down", "cursor_down", "edit.down"),
        bind("left", "cursor_left", "edit.left"),
        bind("right", "cursor_right", "edit.right"),
        bind("ctrl+left", "cursor_word_left", "edit.word_left"),
        bind("ctrl+right", "cursor_word_right", "edit.word_right"),
        bind("home,ctrl+a", "cursor_line_start", "edit.line_start"),
        bind("end", "cursor_line_end", "edit.line_end"),
        bind("shift+up", "cursor_up(True)", "edit.select_up"),
        bind("shift+down", "cursor_down(True)", "edit.select_down"),
        bind("shift+left", "cursor_left(True)", "edit.select_left"),
        bind("shift+right", "cursor_right(True)", "edit.select_right"),
        bind("ctrl+shift+left", "cursor_word_left(True)", "edit.select_word_left"),
        bind("ctrl+shift+right", "cursor_word_right(True)", "edit.select_word_right"),
        bind("shift+home", "cursor_line_start(True)", "edit.select_line_start"),
        bind("shift+end", "cursor_line_end(True)", "edit.select_line_end"),
        bind("f7", "select_all", "edit.select_all"),
        bind("backspace", "delete_left", "edit.delete_left"),
        bind("delete,ctrl+d", "delete_right", "edit.delete_right"),
        bind("ctrl+w,ctrl+backspace,alt+backspace", "delete_word_left", "edit.delete_word_left"),
        bind("alt+delete", "delete_word_right", "edit.delete_word_right"),
        bind("ctrl+u", "delete_to_start_of_line", "edit.delete_line_start"),
        bind("ctrl+k", "delete_to_end_of_line_or_delete_line", "edit.delete_line_end"),
        bind("ctrl+x,super+x", "cut", "edit.cut"),
        bind("ctrl+v,super+v", "paste", "edit.paste"),
        bind("ctrl+z,super+z", "undo", "edit.undo"),
        bind("ctrl+y,super+y", "redo", "edit.redo"),
    ]

    @dataclass
    class Submitted(Message):
        """The person wants to send what stands in the prompt."""

        text: str

    @dataclass
    class PicturesPasted(Message):
        """Paths of files were pasted or dropped."""

        paths: tuple[Path, ...]

    class PasteCut(Message):
        """The pasted text was longer than the editor takes."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(
            id=id,
            soft_wrap=True,
            show_line_numbers=False,
            tab_behavior="focus",
            placeholder=Content(tr("chat.placeholder")),
            compact=True,
            highlight_cursor_line=False,
        )

    def action_submit(self) -> None:
        """Send."""
        self.post_message(self.Submitted(self.text))

    def action_newline(self) -> None:
        """Break the line."""
        self._insert("\n")

    def put_back(self, text: str) -> None:
        """Restore a text that could not be sent, before whatever was written since."""
        since, text = self.text, sanitize(text)
        self.text = f"{text}\n{since}" if since.strip() else text
        self.move_cursor(self.document.end)

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        from yuren_core.attachments import paths_in_paste

        if paths := paths_in_paste(event.text):
            self.post_message(self.PicturesPasted(paths))
            return
        text = sanitize(event.text)
        if len(text) > PASTE_LIMIT:
            self.post_message(self.PasteCut())
        self._insert(text[:PASTE_LIMIT])

    def _insert(self, text: str) -> None:
        start, end = self.selection
        if result := self._replace_via_keyboard(text, start, end):
            self.move_cursor(result.end_location)
