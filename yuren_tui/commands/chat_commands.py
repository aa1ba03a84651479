# SPDX-License-Identifier: Apache-2.0
"""Commands about whole chats: new, list, open, name, put away, delete, export, import."""

from __future__ import annotations

import asyncio
from pathlib import Path

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_tui.commands.host import CommandHost
from yuren_tui.commands.turn_commands import turn_named
from yuren_tui.commands.undoing import (
    Undoable,
    undo_archive,
    undo_delete_chat,
    undo_delete_turn,
)


async def _new(host: CommandHost, _: str) -> None:
    host.session.new_chat()
    host.say(tr("commands.new_chat"))
    await host.show_chat()


async def _chats(host: CommandHost, words: str) -> None:
    await host.choose_chat(words)


async def _open(host: CommandHost, number: str) -> None:
    if not number.lstrip("#").isascii() or not number.lstrip("#").isdigit():
        raise UsageError(tr("commands.no_number", text=number), tr("commands.see_chats"))
    await host.session.read_ahead(chat_id := int(number.lstrip("#")))
    host.session.open_chat(chat_id)
    await host.show_chat()


async def _continue(host: CommandHost, _: str) -> None:
    if (last := host.session.store.chats.last()) is None:
        raise UsageError(tr("cli.no_chats"))
    await host.session.read_ahead(last.id)
    host.session.open_chat(last.id)
    await host.show_chat()


async def _title(host: CommandHost, title: str) -> None:
    host.session.chat.rename(title)
    host.say(tr("commands.titled", title=host.session.chat.title))


async def _archive(host: CommandHost, _: str) -> Undoable:
    chat_id = _kept(host)
    host.session.store.chats.archive(chat_id)
    await _leave(host, tr("commands.archived"))
    return undo_archive(chat_id)


async def _delete(host: CommandHost, argument: str) -> Undoable:
    if argument:
        session = host.session
        session.require_rest()
        turn, rest = turn_named(session, argument)
        if turn is None or rest:
            raise UsageError(tr("commands.no_number", text=argument), tr("commands.see_show"))
        deletion = session.chat.delete(turn.id)
        host.say(tr("commands.deleted_turns", count=deletion.message_count))
        await host.show_branch(None)
        return undo_delete_turn(deletion)
    chat_id = _kept(host)
    host.session.store.chats.delete(chat_id)
    await _leave(host, tr("commands.deleted_chat"))
    return undo_delete_chat(chat_id)


async def _export(host: CommandHost, argument: str) -> None:
    from yuren_tui.chat_tasks import format_of
    from yuren_tui.session.telling import system_told
    from yuren_tui.store.transfer import SUFFIXES, export_chats, free_path

    word, _blank, rest = argument.partition(" ")
    file = _path(rest if word in SUFFIXES else argument)
    wanted = word if word in SUFFIXES else format_of(file)
    free = await asyncio.to_thread(free_path, file)
    result = await asyncio.to_thread(
        export_chats, host.session.store, [_kept(host)], free, wanted, told=system_told
    )
    lines = [tr("commands.exported", path=result.path), *result.notes]
    if free != file:
        lines.append(tr("commands.export_beside", name=file.name))
    for line in lines:
        host.say(line)


async def _import(host: CommandHost, argument: str) -> None:
    from yuren_tui.chat_tasks import import_lines
    from yuren_tui.importing import import_chats

    report = await import_chats(host.session.store, _path(argument), host.say)
    lines = import_lines(report)
    lines += [tr("commands.imported_chat", id=chat_id) for chat_id in report.imported[:20]]
    host.show("\n".join(lines))


HANDLERS = {
    "new": _new,
    "chats": _chats,
    "open": _open,
    "continue": _continue,
    "title": _title,
    "archive": _archive,
    "delete": _delete,
    "export": _export,
    "import": _import,
}


def _kept(host: CommandHost) -> int:
    """The number of the chat that is open.

    Raises:
        UsageError: nothing has been said in it, or an answer is being written.
    """
    host.session.require_rest()
    chat_id = host.session.chat.id
    if chat_id is None:
        raise UsageError(tr("commands.empty_chat"))
    return chat_id


async def _leave(host: CommandHost, said: str) -> None:
    host.session.new_chat()
    host.say(said)
    await host.show_chat()


def _path(text: str) -> Path:
    bare = text.strip().strip("\"'")
    if not bare:
        raise UsageError(tr("commands.no_file"))
    return Path(bare).expanduser()
