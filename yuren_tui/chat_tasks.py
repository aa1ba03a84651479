# SPDX-License-Identifier: Apache-2.0
"""What can be done with the kept chats from the command line: list, search, export, import.

No model is loaded. stdout has the list, the file that was written, or the numbers of the chats
that were taken in, one a line; what people should know besides goes to stderr.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_tui.diagnostics import tell
from yuren_tui.options import ChatOptions
from yuren_tui.sanitize import sanitize_line
from yuren_tui.startup import open_store
from yuren_tui.store import ChatSummary, Store
from yuren_tui.store.transfer import SUFFIXES, ExportFormat, ImportReport, export_chats, import_file

_PAGE = 200


def run_task(options: ChatOptions) -> int:
    """Do what `options.task` says.

    Returns:
        The exit code: 1 where part of an import could not be read.

    Raises:
        UsageError: no such chat, nothing to export, or a file that is no export.
        StorageError: the store or the file cannot be written.
    """
    with open_store() as store:
        for notice in store.notices:
            tell(sanitize_line(notice))
        match options.task:
            case "list-chats":
                _list(store, options)
            case "export":
                _export(store, options)
            case "import":
                assert options.file is not None
                report = import_file(store, options.file)
                for chat_id in report.imported:
                    click.echo(chat_id)
                for line in import_lines(report):
                    tell(line)
                return 1 if report.faults else 0
            case _:
                raise AssertionError(options.task)
    return 0


def format_of(path: Path) -> ExportFormat:
    """The format that a file's suffix asks for.

    Raises:
        UsageError: it says none.
    """
    formats: dict[str, ExportFormat] = {
        ".md": "markdown",
        ".markdown": "markdown",
        ".json": "json",
        ".jsonl": "training",
    }
    found = formats.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            tr("cli.no_format", file=path.name), tr("cli.no_format_remedy", all=", ".join(SUFFIXES))
        )
    return found


def import_lines(report: ImportReport) -> list[str]:
    """What an import came to, for people, line by line."""
    lines = [
        tr("cli.imported", count=len(report.imported), known=len(report.duplicates)),
        *report.notes,
        *report.faults,
    ]
    return [sanitize_line(line) for line in lines]


def summary_line(chat: ChatSummary) -> str:
    """A chat in a list: number, day, title."""
    day = chat.updated_at.astimezone().strftime("%Y-%m-%d %H:%M")
    title = sanitize_line(chat.title) or tr("store.untitled")
    return f"{chat.id:>5}  {day}  {title}"


def all_chats(store: Store) -> Iterator[ChatSummary]:
    """Every chat that is neither put away nor deleted, the latest first."""
    after = None
    while page := store.chats.page(limit=_PAGE, after=after):
        yield from page
        after = page[-1]


def found_chats(store: Store, words: str) -> Iterator[ChatSummary]:
    """Chats with these words in title or messages; all where there are none."""
    if not words.strip():
        return all_chats(store)
    return (hit.chat for hit in store.search(words, limit=_PAGE).chats)


def _list(store: Store, options: ChatOptions) -> None:
    for chat in found_chats(store, options.prompt):
        click.echo(_as_json(chat) if options.is_json else summary_line(chat))


def _as_json(chat: ChatSummary) -> str:
    values = {
        "id": chat.id,
        "title": chat.title,
        "created_at": chat.created_at.isoformat(),
        "updated_at": chat.updated_at.isoformat(),
        "model": chat.model,
        "messages": chat.message_count,
    }
    return json.dumps(values, ensure_ascii=True)


def _export(store: Store, options: ChatOptions) -> None:
    from yuren_tui.session.telling import system_told

    assert options.file is not None
    wanted = cast("ExportFormat | None", options.export_format) or format_of(options.file)
    result = export_chats(store, _chosen(store, options), options.file, wanted, told=system_told)
    click.echo(result.path)
    for note in result.notes:
        tell(sanitize_line(note))


def _chosen(store: Store, options: ChatOptions) -> list[int]:
    if options.chat_id is not None:
        return [options.chat_id]
    if options.continues:
        last = store.chats.last()
        chosen = [] if last is None else [last.id]
    else:
        chosen = [chat.id for chat in all_chats(store)][::-1]
    if not chosen:
        raise UsageError(tr("cli.no_chats"))
    return chosen
