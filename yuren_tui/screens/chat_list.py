# SPDX-License-Identifier: Apache-2.0
"""All chats: found as one types, opened, renamed, put away, deleted and brought back, exported.

The field has the focus and the list the arrows, so that one types and walks at once. Without a
query the list is read page by page as one goes down it. A key that acts on the highlighted chat
waits for the list of what is typed: it never meets a chat that was only there before.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import ActiveBinding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.bindings import bind, in_order
from yuren_tui.notices import drop_notices
from yuren_tui.sanitize import sanitize_line
from yuren_tui.screens.chat_files import ChatFiles
from yuren_tui.screens.chat_list_rows import chat_row
from yuren_tui.store import ChatHit, ChatSummary, Store
from yuren_tui.widgets.choices import Choices
from yuren_tui.widgets.key_footer import KeyFooter
from yuren_tui.widgets.safe_input import SafeInput

_REST_S = 0.08  # how long nothing must be typed before it is searched for
_PAGE = 50
_WIDEST = 110  # cells of the panel
_IN_ORDER = (
    *("chats.open", "modal.close", "chats.rename", "chats.delete", "chats.undo", "chats.export"),
    *("chats.import", "chats.archive", "chats.show_archived"),
)
Chosen = tuple[int, int | None]
"""A chat, and a message of it to go to."""


class ChatList(ChatFiles[Chosen | None]):
    """The list; its result is what to open.

    Args:
        store: whose chats.
        open_id: the chat that one talks in.
        query: what to search for at first.
    """

    CSS_PATH = "chat_list.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("enter", "open", "chats.open", show=True, priority=True),
        bind("up", "move(-1)", "chats.up", priority=True),
        bind("down", "move(1)", "chats.down", priority=True),
        bind("pageup", "move(-8)", "chats.page_up", priority=True),
        bind("pagedown", "move(8)", "chats.page_down", priority=True),
        bind("f2", "rename", "chats.rename", show=True),
        bind("ctrl+d", "delete", "chats.delete", show=True, priority=True),
        bind("ctrl+z", "undo", "chats.undo", show=True, priority=True),
        bind("ctrl+a", "archive", "chats.archive", show=True, priority=True),
        bind("ctrl+t", "show_archived", "chats.show_archived", show=True, priority=True),
        bind("ctrl+x", "export", "chats.export", show=True, priority=True),
        bind("ctrl+o", "import", "chats.import", show=True, priority=True),
        bind("ctrl+l", "close", "modal.close_chats", priority=True),
    ]

    def __init__(self, store: Store, open_id: int | None, query: str = "") -> None:
        super().__init__(store)
        self._open_id = open_id
        self._query = query
        self._archived = False
        self._rows: list[tuple[ChatSummary, ChatHit | None]] = []
        self._drawn_width = 0
        self._is_whole = False
        self._deleted: list[int] = []
        self._is_fresh = asyncio.Event()

    def compose(self) -> ComposeResult:
        with Vertical(id="panel"):
            yield SafeInput(
                self._query,
                placeholder=tr("chats.search"),
                id="query",
                compact=True,
                select_on_focus=False,
            )
            yield Choices(id="choices")
            yield Static("", id="empty")
        yield KeyFooter(show_command_palette=False, compact=True)

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """As of any panel, in the order of need: the field's come first else, wherever they are
        ours."""
        return in_order(super().active_bindings, _IN_ORDER)

    def on_mount(self) -> None:
        self.query_one("#query").focus()
        self.screen_layout_refresh_signal.subscribe(self, self._laid_out)
        self.call_after_refresh(self.reload)

    def _laid_out(self, _: object) -> None:
        """Fit the rows to the list, which may have another width than when they were drawn."""
        width = self.query_one(Choices).scrollable_content_region.width
        if self._rows and width not in (0, self._drawn_width):
            self._draw()

    # ------------------------------------------------------------ handlers

    @on(Input.Changed, "#query")
    def _query_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._query:
            self._query = event.value
            self.reload(_REST_S)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_open()

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if (
            self._is_fresh.is_set()
            and not self._is_whole
            and event.option_index > len(self._rows) - 10
        ):
            self._read_on()

    # ------------------------------------------------------------ actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "undo":
            return bool(self._deleted)
        if action in ("open", "rename", "delete", "archive", "export"):
            return self.chat is not None or not self._is_fresh.is_set()
        return True

    @work(group="act")
    async def action_open(self) -> None:
        """Go on with the highlighted chat, at the message that was found."""
        await self.settle()
        place = self.query_one(Choices).highlighted
        if self.is_current and place is not None and place < len(self._rows):
            chat, hit = self._rows[place]
            self.dismiss((chat.id, hit.hits[0].message_id if hit and hit.hits else None))

    def action_move(self, step: int) -> None:
        """Highlight another chat."""
        self.query_one(Choices).move(step)

    @work(group="act")
    async def action_delete(self) -> None:
        """Delete the highlighted chat."""
        await self.settle()
        if (chat := self.chat) is not None and self._did(self.store.chats.delete, chat.id):
            self._deleted.append(chat.id)
            self._say("chats.deleted", chat, tr("chats.deleted_hint"))
            self.reload()

    def action_undo(self) -> None:
        """Bring the chat that was deleted last back."""
        if self._deleted and self._did(self.store.chats.restore, self._deleted[-1]):
            drop_notices(self)
            self.reload(chosen=self._deleted.pop())

    @work(group="act")
    async def action_archive(self) -> None:
        """Put the highlighted chat away, or take it out again."""
        await self.settle()
        if (chat := self.chat) is None:
            return
        try:
            self.store.chats.archive(chat.id, archived=not chat.is_archived)
        except YurenError as error:
            self.complain(error)
            return
        self._say("chats.is_taken_out" if chat.is_archived else "chats.is_archived", chat)
        self.reload()

    def action_show_archived(self) -> None:
        """Show what was put away, or the others again."""
        self._archived = not self._archived
        self.reload()

    # ------------------------------------------------------------ reading

    @property
    def chat(self) -> ChatSummary | None:
        """The highlighted chat."""
        place = self.query_one(Choices).highlighted if self.is_mounted else None
        return self._rows[place][0] if place is not None and place < len(self._rows) else None

    async def settle(self) -> None:
        """Wait until the list is that of what is typed."""
        while not self._is_fresh.is_set():  # another key that waited may have acted by now
            await self._is_fresh.wait()

    def reload(self, rest_s: float = 0.0, chosen: int | None = None) -> None:
        """Read the list again, or search; stay near where one is.

        Args:
            rest_s: how long to wait for another key first.
            chosen: the chat to highlight; the place stays where it is None.
        """
        self._is_fresh.clear()
        self._read(rest_s, chosen)

    @work(group="chats", exclusive=True)
    async def _read(self, rest_s: float, chosen: int | None) -> None:
        await asyncio.sleep(rest_s)
        place = 0 if rest_s else self.query_one(Choices).highlighted or 0
        query, archived = self._query, self._archived
        try:
            if query.strip():
                found = await asyncio.to_thread(self.store.search, query, archived=archived)
                hits = [hit for hit in found.chats if hit.chat.is_archived == archived]
                self._rows = [(hit.chat, hit) for hit in hits]
                self._is_whole = True
            else:
                count = max(_PAGE, place + _PAGE)
                page = await asyncio.to_thread(
                    self.store.chats.page, limit=count, archived=archived
                )
                self._rows = [(chat, None) for chat in page]
                self._is_whole = len(page) < count
        except YurenError as error:
            self.complain(error)
            self._is_fresh.set()
            return
        if chosen is not None:
            ids = [chat.id for chat, _ in self._rows]
            place = ids.index(chosen) if chosen in ids else place
        self._draw(min(place, max(0, len(self._rows) - 1)))
        self._is_fresh.set()
        self.refresh_bindings()

    @work(group="chats", exclusive=True)
    async def _read_on(self) -> None:
        after = self._rows[-1][0]
        page = await asyncio.to_thread(
            self.store.chats.page, limit=_PAGE, after=after, archived=self._archived
        )
        self._is_whole = len(page) < _PAGE
        self._rows += [(chat, None) for chat in page]
        if page:
            self._draw()

    # ------------------------------------------------------------ drawing

    def _draw(self, highlighted: int | None = None) -> None:
        choices, empty = self.query_one(Choices), self.query_one("#empty", Static)
        self.query_one("#panel").border_title = tr(
            "chats.title_archived" if self._archived else "chats.title"
        )
        place = choices.highlighted if highlighted is None else highlighted
        known = choices.scrollable_content_region.width  # 0 while the list is not shown
        width = max(10, known or min(self.size.width, _WIDEST) - 8)
        self._drawn_width = known
        now = datetime.now().astimezone()
        choices.show(
            [
                chat_row(chat, now=now, width=width, hit=hit, is_open=chat.id == self._open_id)
                for chat, hit in self._rows
            ],
            highlighted=place,
        )
        choices.display = bool(self._rows)
        empty.display = not self._rows
        key = "none_found" if self._query.strip() else "none_archived" if self._archived else "none"
        empty.update(Content(tr(f"chats.{key}")))

    def _say(self, key: str, chat: ChatSummary, hint: str = "") -> None:
        title = sanitize_line(chat.title, limit=40) or tr("store.untitled")
        self.notify("\n".join(filter(None, (tr(key, title=title), hint))), markup=False)
