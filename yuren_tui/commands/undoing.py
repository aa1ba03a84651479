# SPDX-License-Identifier: Apache-2.0
"""How what a command has put away is brought back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from yuren_core.i18n import tr
from yuren_tui.commands.host import CommandHost

if TYPE_CHECKING:
    from yuren_tui.store import Deletion

Undoable = Callable[[CommandHost], Awaitable[None]]
"""Brings something back and shows it."""


def undo_delete_chat(chat_id: int) -> Undoable:
    """Bring a deleted chat back."""

    async def undo(host: CommandHost) -> None:
        host.session.store.chats.restore(chat_id)
        await _reopen(host, chat_id)

    return undo


def undo_archive(chat_id: int) -> Undoable:
    """Take a chat out of the archive."""

    async def undo(host: CommandHost) -> None:
        host.session.store.chats.archive(chat_id, archived=False)
        await _reopen(host, chat_id)

    return undo


def undo_delete_turn(deletion: Deletion) -> Undoable:
    """Bring a deleted message back, and all that was below it."""

    async def undo(host: CommandHost) -> None:
        session = host.session
        if session.chat.id != deletion.chat_id:
            await session.read_ahead(deletion.chat_id)
            session.open_chat(deletion.chat_id)
        session.chat.undo(deletion)
        host.say(tr("commands.undone"))
        await host.show_branch(None)

    return undo


async def _reopen(host: CommandHost, chat_id: int) -> None:
    await host.session.read_ahead(chat_id)
    host.session.open_chat(chat_id)
    host.say(tr("commands.undone"))
    await host.show_chat()
