# SPDX-License-Identifier: Apache-2.0
"""One line above the conversation: its title, and the number that `--chat` takes."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from yuren_tui.sanitize import sanitize_line


class TitleBar(Widget):
    """Hidden while the chat has no title."""

    title: reactive[str] = reactive("")
    number: reactive[int | None] = reactive(None)

    def show(self, title: str, number: int | None) -> None:
        """Show the title of a chat."""
        self.title, self.number = title, number

    def watch_title(self, title: str) -> None:
        self.display = bool(title)

    def render(self) -> Content:
        width = self.content_size.width
        number = f"#{self.number}" if self.number is not None else ""
        room = max(1, width - len(number) - 2)
        title = Content(sanitize_line(self.title)).truncate(room, ellipsis=True)
        gap = " " * max(1, width - title.cell_length - len(number))
        return Content.assemble(title, gap, (number, "$foreground 40%"))
