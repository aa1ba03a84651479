# SPDX-License-Identifier: Apache-2.0
"""The conversation on the screen. It follows the newest line until the person scrolls up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from yuren_core.i18n import tr
from yuren_tui.widgets.turn_list import TurnList
from yuren_tui.widgets.turn_view import TurnView
from yuren_tui.widgets.turn_window import TurnWindow

if TYPE_CHECKING:  # it brings Markdown and its parser, which the first frame does not need
    from yuren_tui.widgets.messages import Severity, TurnMessage

_MOST_NOTICES = 20


class Transcript(Vertical):
    """All turns and notices, and the way back to the newest one."""

    is_at_end: reactive[bool] = reactive(True, init=False)

    class Moved(Message):
        """Another part of the conversation is in sight."""

    def __init__(self, placeholder: Widget, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._placeholder = placeholder
        # The column is never lower than the list: Textual scrolls lower ones above the top.
        self._column = Vertical(placeholder, id="column")

    def compose(self) -> ComposeResult:
        yield TurnList(self._column, id="turns")
        yield Static(Content(tr("chat.newest")), id="newest")

    async def show(
        self, views: Sequence[TurnView], *, swapped: tuple[int, int] | None = None
    ) -> None:
        """Show a path of the conversation; what is shown already stays where it stands.

        Args:
            views: the whole path.
            swapped: a message that goes and the one that comes to stand where it stood.
        """
        self._placeholder.display = not views and not self._notices
        await self.turns.show(views, swapped=swapped)
        self.turns.mark_current()
        self._show_placeholder()

    def message(self, turn_id: int) -> TurnMessage | None:
        """The widget of a message; None while it is not mounted."""
        return self.turns.message(turn_id)

    def add_notice(self, message: str, hint: str = "", severity: Severity = "information") -> None:
        """Show that something happened."""
        from yuren_tui.widgets.messages import Notice

        self._placeholder.display = False
        for old in self._notices[: -_MOST_NOTICES + 1]:
            old.remove()
        self._column.mount(Notice(message, hint, severity))

    async def clear_notices(self) -> None:
        """Remove what was said of another conversation."""
        await self.turns.query("Notice").remove()
        self._show_placeholder()

    async def replace_placeholder(self, placeholder: Widget) -> None:
        """Put something else into the empty transcript."""
        await self._placeholder.remove()
        self._placeholder = placeholder
        await self._column.mount(placeholder, before=0)
        self._show_placeholder()

    def watch_is_at_end(self, is_at_end: bool) -> None:
        self.query_one("#newest").display = not is_at_end

    @property
    def turns(self) -> TurnList:
        """The scrolling part."""
        return self.query_one(TurnList)

    @property
    def _notices(self) -> list[Widget]:
        return [*self.turns.query("Notice")]

    @on(TurnWindow.Followed)
    def _followed(self, event: TurnWindow.Followed) -> None:
        event.stop()
        self.is_at_end = event.is_at_end
        self.post_message(self.Moved())

    @on(events.Click, "#newest")
    async def _newest_clicked(self) -> None:
        await self.turns.action_bottom()

    def _show_placeholder(self) -> None:
        self._placeholder.display = not self.turns.views and not self._notices
