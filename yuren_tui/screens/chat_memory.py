# SPDX-License-Identifier: Apache-2.0
"""The chat's memory: which chat is open, its draft, its pictures, where one reads.

The store is opened after the first frame, in a thread, since it takes longer than a frame. What is
typed is in it a third of a second later, so that no crash loses more.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.timer import Timer
from textual.widgets import TextArea

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart
from yuren_tui.bindings import bind
from yuren_tui.notices import TOGETHER_S, drop_notices
from yuren_tui.sanitize import sanitize_line
from yuren_tui.screens.chat_editing import EditingScreen
from yuren_tui.session import ModelChoice, Session
from yuren_tui.widgets.picture import PictureBar
from yuren_tui.widgets.title_bar import TitleBar
from yuren_tui.widgets.transcript import Transcript

_SAVE_AFTER_S = 0.3
_SAVE_PLACE_AFTER_S = 0.5
_TOAST_S = 12


class MemoryScreen(EditingScreen):
    """The part of the chat that opens chats and keeps what is unsent."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("ctrl+l", "chats", "chat.list", show=True),
        bind("f4", "back", "chat.back"),
    ]

    def __init__(self, session: Session, choice: ModelChoice | None) -> None:
        super().__init__(session, choice)
        self.is_open = asyncio.Event()
        self._unsent: tuple[str, tuple[ImagePart, ...]] = ("", ())
        self._saving_draft: Timer | None = None
        self._saving_place: Timer | None = None
        self._cannot_save = False
        self._last_id: int | None = None

    # ------------------------------------------------------------ opening

    async def open_first(self) -> None:
        """Open the store and show the first chat; once, after the first frame."""
        try:
            await self._session.prepare()
            if not self.query(TitleBar):  # the person has left already
                return
            notices = () if self._session.turns else self._session.begin()
            for notice in notices:
                self.transcript.add_notice(notice)
            await self.show_chat(keeps_typed=True)
            self._offer_last_draft()
        except YurenError as error:
            self.transcript.add_notice(error.message, error.hint, "error")
        finally:
            self.is_open.set()

    async def show_chat(self, *, keeps_typed: bool = False) -> None:
        """Show another chat: its path, its draft and pictures, where one read in it.

        Args:
            keeps_typed: whether what has been typed meanwhile goes behind the draft.
        """
        chat = self._session.chat
        self._deletions.clear()
        self.read_extras()
        if not keeps_typed:  # at the start, a notice says what went wrong since
            await self.transcript.clear_notices()
            drop_notices(self, older_than_s=TOGETHER_S)
        typed = (self.prompt.text, self.pictures.pictures) if keeps_typed else ("", ())
        if chat.draft or not keeps_typed:
            self.prompt.text = typed[0]
            self.prompt.put_back(chat.draft.text)
            self.pictures.pictures = (*chat.draft.images, *typed[1])
        await self.show_turns()
        await self.transcript.turns.go_to(chat.scroll)
        self.show_status()
        self.prompt.focus()

    def show_status(self) -> None:
        """Bring title and status up to date."""
        super().show_status()
        if not self.is_open.is_set() and not self._session.turns:
            return
        chat = self._session.chat
        self.query_one(TitleBar).show(chat.title, chat.id)

    def _offer_last_draft(self) -> None:
        session = self._session
        if session.chat.id is not None and session.turns and session.chat.title:
            return
        last = session.store.chats.last()
        if last is None or last.id == session.chat.id:
            return
        if last.draft or last.system_draft is not None:
            self._last_id = last.id
            title = sanitize_line(last.title, limit=40) or tr("store.untitled")
            words = tr("chats.unsent" if last.draft else "chats.unsaved_system", title=title)
            self.say(words, tr("chats.unsent_hint"), timeout=_TOAST_S)

    # ------------------------------------------------------------ other chats

    async def new_chat(self) -> None:
        """Begin anew; what is unsent stays with the chat that is left."""
        self.keep_all()
        left = self._session.chat.id
        self._session.new_chat()
        self._last_id = left or self._last_id
        await self.show_chat()

    async def open_chat(self, chat_id: int) -> None:
        """Go on with another chat.

        Raises:
            UsageError: there is no such chat, or an answer is being written.
        """
        if self._session.chat.id == chat_id:
            self.prompt.focus()
            return
        await self._session.read_ahead(chat_id)
        self.keep_all()
        left = self._session.chat.id
        self._session.open_chat(chat_id)
        self._last_id = left or self._last_id
        await self.show_chat()

    @work(group="open", exclusive=True)
    async def action_back(self) -> None:
        """To the chat that was open before."""
        try:
            last = self._session.store.chats.last() if self._last_id is None else None
            chat_id = last.id if last else self._last_id
            if chat_id is None or chat_id == self._session.chat.id:
                self.say(tr("chats.no_last"))
            else:
                await self.open_chat(chat_id)
        except YurenError as error:
            self.complain(error)

    @work(group="open", exclusive=True)
    async def action_chats(self) -> None:
        """Choose a chat from the list of all."""
        await self.choose_chat("")

    async def choose_chat(self, words: str) -> None:
        """Show the list of chats, those with these words in them; all where there are none."""
        from yuren_tui.screens.chat_list import ChatList

        await self.is_open.wait()
        self.keep_all()
        try:
            chat_list = ChatList(self._session.store, self._session.chat.id, words)
            chosen = await self.app.push_screen_wait(chat_list)
            await self._after_list(chosen)
        except YurenError as error:
            self.complain(error)

    async def _after_list(self, chosen: tuple[int, int | None] | None) -> None:
        """Open what was chosen; leave the open chat where it has been deleted meanwhile."""
        chat = self._session.chat
        stored = None if chat.id is None else self._session.store.chats.get(chat.id)
        if stored is not None and stored.is_deleted and not self._session.is_answering:
            self._forget_draft()
            self._session.new_chat()
            await self.show_chat()
        elif stored is not None:
            chat.title = stored.title
            self.show_status()
        if chosen is None:
            return
        chat_id, message_id = chosen
        await self.open_chat(chat_id)
        if message_id is not None:
            if all(turn.id != message_id for turn in self._session.turns):
                self._session.chat.select(message_id)
                await self.show_turns()
            self.transcript.turns.focus(scroll_visible=False)
            await self.transcript.turns.go(message_id)

    # ------------------------------------------------------------ keeping

    @on(TextArea.Changed, "PromptArea")
    @on(PictureBar.Changed)
    def _unsent_changed(self) -> None:
        self._unsent = (self.prompt.text, self.pictures.pictures)
        if self._saving_draft is None:
            self._saving_draft = self.set_timer(_SAVE_AFTER_S, self.save_draft)

    @on(Transcript.Moved)
    def _moved(self) -> None:
        if self._saving_place is None:
            self._saving_place = self.set_timer(_SAVE_PLACE_AFTER_S, self.save_place)

    def save_draft(self) -> None:
        """Put what is unsent into the store now; what hinders it is said once."""
        self._saving_draft = None
        if not self.is_open.is_set():
            self._saving_draft = self.set_timer(_SAVE_AFTER_S, self.save_draft)
            return
        try:
            self._session.chat.save_draft(*self._unsent)
            self._cannot_save = False
        except YurenError as error:
            if not self._cannot_save:
                self.complain(error)
            self._cannot_save = True

    def save_place(self) -> None:
        """Put where one reads into the store now."""
        self._saving_place = None
        if self.is_open.is_set() and self._session.turns and self.query(Transcript):
            try:
                self._session.chat.save_scroll(self.transcript.turns.place)
            except YurenError as error:
                if not self._cannot_save:
                    self.complain(error)
                self._cannot_save = True

    def keep_all(self) -> None:
        """Put everything unsent into the store now: before another chat is shown, and at the
        end."""
        if self.is_open.is_set():
            self.save_edit()
            self.save_draft()
            self.save_place()

    def _forget_draft(self) -> None:
        self.prompt.text = ""
        self.pictures.pictures = ()
        self._unsent = ("", ())
