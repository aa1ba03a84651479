# SPDX-License-Identifier: Apache-2.0
"""Where text of several lines is written: keys with names, and what is pasted made safe.

A pasted text is cut where it would hang the editor, and the person is told.
"""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import TextArea

from yuren_tui.bindings import bind
from yuren_tui.sanitize import sanitize

PASTE_LIMIT = 100_000  # characters; far over any context, and what the editor wraps at once


class EditArea(TextArea, inherit_bindings=False):
    """An editor; Tab leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [
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

    class PasteCut(Message):
        """The pasted text was longer than the editor takes."""

    def __init__(self, text: str = "", *, placeholder: str = "", id: str | None = None) -> None:  # noqa: A002
        super().__init__(
            text,
            id=id,
            soft_wrap=True,
            show_line_numbers=False,
            tab_behavior="focus",
            placeholder=Content(placeholder),
            compact=True,
            highlight_cursor_line=False,
        )

    def put(self, text: str) -> None:
        """Replace everything; it can be undone."""
        self.replace(sanitize(text), self.document.start, self.document.end)
        self.move_cursor(self.document.end)

    async def _on_key(self, event: events.Key) -> None:
        # Many terminals tell Alt and a letter as Escape and the letter: a key, and nothing typed.
        if event.key.startswith("alt+"):
            event.prevent_default()

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        # Many terminals end a pasted line with CR alone, as if Enter had been pressed.
        text = sanitize(event.text.replace("\r\n", "\n").replace("\r", "\n"))
        if len(text) > PASTE_LIMIT:
            self.post_message(self.PasteCut())
        self.insert_typed(text[:PASTE_LIMIT])

    def insert_typed(self, text: str) -> None:
        """Put text in the place of the selection, as typing does."""
        start, end = self.selection
        if result := self._replace_via_keyboard(text, start, end):
            self.move_cursor(result.end_location)
