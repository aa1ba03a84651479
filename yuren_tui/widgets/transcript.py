# SPDX-License-Identifier: Apache-2.0
"""The conversation on the screen. It follows the newest line until the person scrolls up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from yuren_core.i18n import tr
from yuren_core.messages import ImagePart
from yuren_tui.bindings import bind

if TYPE_CHECKING:  # they bring Markdown and its parser, which the first frame does not need
    from yuren_tui.widgets.messages import AssistantMessage, Severity, UserMessage


class TurnList(VerticalScroll, inherit_bindings=False):
    """The scrolling part of the transcript."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("up,k", "scroll_up", "transcript.up"),
        bind("down,j", "scroll_down", "transcript.down"),
        bind("home", "scroll_home", "transcript.home"),
        bind("end", "bottom", "transcript.end"),
    ]

    @dataclass
    class Followed(Message):
        """Whether the newest line is in sight has changed."""

        is_at_end: bool

    def on_mount(self) -> None:
        self.anchor()

    def action_bottom(self) -> None:
        """Go to the newest line and follow it again."""
        self.scroll_end(animate=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._tell()

    def watch_virtual_size(self) -> None:
        self.call_after_refresh(self._tell)

    def on_resize(self) -> None:
        self.call_after_refresh(self._tell)

    def _tell(self) -> None:
        self.post_message(self.Followed(self.scroll_target_y >= self.max_scroll_y - 1))


class Transcript(Vertical):
    """All turns and notices, and the way back to the newest one."""

    is_at_end: reactive[bool] = reactive(True, init=False)

    def __init__(self, placeholder: Widget, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        # The column is never lower than the list: Textual scrolls lower ones above the top.
        with TurnList(id="turns"), Vertical(id="column"):
            yield self._placeholder
        yield Static(Content(tr("chat.newest")), id="newest")

    def add_exchange(
        self, text: str, pictures: Sequence[ImagePart], cost: int | None, *, name: str, waiting: str
    ) -> tuple[UserMessage, AssistantMessage]:
        """Show a question and the answer that is to come, and go there.

        Args:
            text: what was asked.
            pictures: its pictures.
            cost: tokens of one picture; None where it is not known.
            name: who answers.
            waiting: what is said until the first words come.

        Returns:
            The two, for the words that come and for `take_back`.
        """
        from yuren_tui.widgets.messages import AssistantMessage, UserMessage

        exchange = UserMessage(text, pictures, cost), AssistantMessage(name, waiting)
        self._placeholder.display = False
        self._column.mount(*exchange)
        self.turns.anchor()
        return exchange

    def add_notice(self, message: str, hint: str = "", severity: Severity = "information") -> None:
        """Show that something happened."""
        from yuren_tui.widgets.messages import Notice

        self._placeholder.display = False
        self._column.mount(Notice(message, hint, severity))

    async def replace_placeholder(self, placeholder: Widget) -> None:
        """Put something else into the empty transcript."""
        await self._placeholder.remove()
        self._placeholder = placeholder
        await self._column.mount(placeholder, before=0)
        self._show_placeholder()

    async def take_back(self, *messages: Widget) -> None:
        """Remove an exchange that was taken back."""
        for message in messages:
            await message.remove()
        self._show_placeholder()

    async def clear(self) -> None:
        """Remove everything."""
        await self.turns.query("UserMessage, AssistantMessage, Notice").remove()
        self._show_placeholder()

    def watch_is_at_end(self, is_at_end: bool) -> None:
        self.query_one("#newest").display = not is_at_end

    @property
    def turns(self) -> TurnList:
        """The scrolling part."""
        return self.query_one(TurnList)

    @property
    def _column(self) -> Vertical:
        return self.query_one("#column", Vertical)

    @on(TurnList.Followed)
    def _followed(self, event: TurnList.Followed) -> None:
        event.stop()
        self.is_at_end = event.is_at_end

    @on(events.Click, "#newest")
    def _newest_clicked(self) -> None:
        self.turns.action_bottom()

    def _show_placeholder(self) -> None:
        self._placeholder.display = not self.turns.query("UserMessage, Notice")
