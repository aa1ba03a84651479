# SPDX-License-Identifier: Apache-2.0
"""What the list of chats does to chats and files: rename, export, import; faults are said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from textual import work
from textual.content import Content

from yuren_core.attachments import resolve_path
from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.sanitize import sanitize, sanitize_line
from yuren_tui.screens.ask_line import AskLine
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.screens.pick import PickScreen
from yuren_tui.store import ChatSummary, Store

if TYPE_CHECKING:
    from yuren_tui.store.transfer import ExportFormat

ResultType = TypeVar("ResultType")
_FORMATS: tuple[ExportFormat, ...] = ("markdown", "json", "training")
_NAME = 60  # characters of a title in a file's name
_TOAST_S = 10


class ChatFiles(TranslatedModal[ResultType]):
    """The part of the list that works on the highlighted chat.

    Args:
        store: whose chats.
    """

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store

    @property
    def chat(self) -> ChatSummary | None:
        """The highlighted chat."""
        raise NotImplementedError

    async def settle(self) -> None:
        """Wait until the highlighted chat is one of what is typed."""
        raise NotImplementedError

    def reload(self, rest_s: float = 0.0, chosen: int | None = None) -> object:
        """Read the list again."""
        raise NotImplementedError

    @work(group="ask", exclusive=True)
    async def action_rename(self) -> None:
        """Give the highlighted chat a title."""
        await self.settle()
        if (chat := self.chat) is None:
            return
        asked = AskLine(tr("chats.rename"), chat.title, hint=tr("chats.rename_hint"))
        title = await self.app.push_screen_wait(asked)
        if title is not None and self._did(lambda i: self.store.chats.rename(i, title), chat.id):
            self.reload(chosen=chat.id)

    @work(group="ask", exclusive=True)
    async def action_export(self) -> None:
        """Write the highlighted chat into a file."""
        from yuren_tui.session.telling import system_told
        from yuren_tui.store.transfer import SUFFIXES, export_chats

        await self.settle()
        if (chat := self.chat) is None:
            return
        entries = [Content(f"  {tr(f'chats.format_{name}')}") for name in _FORMATS]
        chosen = await self.app.push_screen_wait(PickScreen(tr("chats.format"), entries))
        if chosen is None:
            return
        export_format = _FORMATS[chosen]
        start = Path.home() / f"{_file_name(chat)}{SUFFIXES[export_format]}"
        asked = AskLine(
            tr("chats.export"), str(start), hint=tr("chats.export_hint"), doubts=_replaces
        )
        path = await self.app.push_screen_wait(asked)
        if not path:
            return
        try:
            target = _resolved(path)
            done = await asyncio.to_thread(
                export_chats, self.store, [chat.id], target, export_format, told=system_told
            )
        except YurenError as error:
            self.complain(error)
            return
        self._tell("\n".join([tr("chats.exported", path=done.path), *done.notes]))

    @work(group="ask", exclusive=True)
    async def action_import(self) -> None:
        """Read chats from a file."""
        from yuren_tui.importing import import_chats

        asked = AskLine(tr("chats.import"), "", hint=tr("chats.import_hint"))
        path = await self.app.push_screen_wait(asked)
        if not path:
            return
        try:
            report = await import_chats(self.store, resolve_path(path), self._tell_shortly)
        except YurenError as error:
            self.complain(error)
            return
        done = tr("chats.imported", count=len(report.imported), known=len(report.duplicates))
        lines = [done, *report.notes[:3]]
        if report.faults:
            lines.append(tr("chats.faults", count=len(report.faults), fault=report.faults[0]))
        self._tell("\n".join(lines), is_warning=bool(report.faults))
        known = [*report.imported, *report.duplicates]
        self.reload(chosen=known[0] if known else None)

    def complain(self, error: YurenError) -> None:
        """Say what failed."""
        words = sanitize("\n".join(filter(None, (error.message, error.hint))))
        self.notify(words, severity="error", markup=False, timeout=_TOAST_S)

    def _tell(self, words: str, *, is_warning: bool = False) -> None:
        severity = "warning" if is_warning else "information"
        self.notify(sanitize(words), severity=severity, markup=False, timeout=_TOAST_S)  # type: ignore[arg-type]

    def _tell_shortly(self, words: str) -> None:
        self.app.notify(sanitize(words), markup=False)

    def _did(self, change: Callable[[int], object], chat_id: int) -> bool:
        """Change a chat; where that fails, say why."""
        try:
            change(chat_id)
        except YurenError as error:
            self.complain(error)
            return False
        return True


def _file_name(chat: ChatSummary) -> str:
    """A title as the name of a file, without what file systems refuse."""
    title = sanitize_line(chat.title)
    kept = "".join("-" if char in '/\\:*?"<>|' else char for char in title).strip(" .-")
    return kept[:_NAME].strip() or f"chat-{chat.id}"


def _resolved(text: str) -> Path:
    """A path as a person writes it."""
    return Path(text).expanduser()


def _replaces(text: str) -> str:
    """What is to be said before a file is written over; empty where none is there."""
    path = _resolved(text)
    try:
        is_there = path.exists()
    except OSError:
        return ""
    return tr("chats.export_exists", path=sanitize_line(str(path))) if is_there else ""
