# SPDX-License-Identifier: Apache-2.0
"""Reading chats from files: ours, ChatGPT's, SillyTavern's, rows for training; told apart by what
is in them.

A chat that cannot be read is a fault that names file and line, and the others are imported. A
chat that is there already is not put in twice. What the disk refuses ends the import; the chats
that were imported until then stay, and importing the file again goes on from there.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yuren_core.attachments import printable
from yuren_core.errors import UsageError
from yuren_core.i18n import reason_of, tr
from yuren_tui.store.store import Store
from yuren_tui.store.transfer import chatgpt, json_format, sillytavern, training_rows
from yuren_tui.store.transfer.reading import Fields, Item, Limits, items_of_array, parse_json
from yuren_tui.store.transfer.records import ChatRecord
from yuren_tui.store.transfer.storing import find_copy, insert_record

Progress = Callable[[int], None]
"""Told how many chats have been read so far."""


@dataclass(slots=True)
class ImportReport:
    """What came of an import.

    Attributes:
        imported: ids of the new chats, in the order of the file.
        duplicates: ids of chats that were there already, one for each found again.
        faults: what could not be read, each with file, line and reason.
        notes: what was left out on purpose.
    """

    imported: list[int] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def import_file(
    store: Store,
    path: Path,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import all chats of a file.

    Args:
        store: where they go.
        path: our JSON, ChatGPT's conversations.json or the .zip it comes in, a .jsonl chat of
            SillyTavern's, rows for training as an array or as lines.
        limits: what is too large; generous ones by default.
        progress: called after each chat.

    Returns:
        What came of it.

    Raises:
        UsageError: the file cannot be read, is too large, or is none of these.
        StorageError: the store cannot be written.
    """
    limits = limits or Limits()
    report = ImportReport()
    for name, text in _documents(path, limits):
        for record in _records(name, text, limits, report, path.parent):
            if (copy := find_copy(store, record)) is not None:
                report.duplicates.append(copy)
            else:
                report.imported.append(insert_record(store, record))
            if progress is not None:
                progress(len(report.imported) + len(report.duplicates))
    return report


# ---------------------------------------------------------------- files


def _documents(path: Path, limits: Limits) -> Iterator[tuple[str, str]]:
    """The texts of a file: itself, or what a .zip holds of conversations."""
    name = printable(path)
    try:
        if path.stat().st_size > limits.file_bytes:
            raise _too_large(name, limits)
        if not zipfile.is_zipfile(path):
            yield name, _decoded(name, path.read_bytes())
            return
        with zipfile.ZipFile(path) as archive:
            members = [
                info
                for info in archive.infolist()
                if Path(info.filename).name.startswith("conversations")
                and info.filename.endswith(".json")
            ]
            if not members:
                raise _unknown(name)
            for info in members:
                with archive.open(info) as file:
                    # What a header says of the size is not to be trusted.
                    data = file.read(limits.file_bytes + 1)
                if len(data) > limits.file_bytes:
                    raise _too_large(name, limits)
                yield f"{name}:{printable(info.filename)}", _decoded(name, data)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        reason = reason_of(error)
        raise UsageError(
            tr("store.import.unreadable", path=name, reason=reason),
            tr("store.import.unreadable_remedy"),
        ) from error


def _decoded(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        where = tr("store.import.where_line", path=name, line=line)
        raise UsageError(
            tr("store.import.fault", where=where, reason=tr("store.import.not_utf8")),
            tr("store.import.unknown_remedy"),
        ) from error


def _too_large(name: str, limits: Limits) -> UsageError:
    limit = limits.file_bytes // 2**20
    return UsageError(
        tr("store.import.large", path=name, limit=limit), tr("store.import.large_remedy")
    )


def _unknown(name: str) -> UsageError:
    return UsageError(tr("store.import.unknown", path=name), tr("store.import.unknown_remedy"))


# ---------------------------------------------------------------- formats


def _records(
    name: str, text: str, limits: Limits, report: ImportReport, directory: Path
) -> Iterator[ChatRecord]:
    def of_theirs(value: Mapping[str, Any], bounds: Limits) -> ChatRecord:
        if training_rows.is_row(value):
            return training_rows.parse(value, bounds, directory)
        if "mapping" not in value:
            raise ValueError(tr("store.import.no_chat"))
        return chatgpt.parse(value, bounds)

    start = len(text) - len(text.lstrip())
    if text[start : start + 1] == "[":
        yield from _of_array(name, items_of_array(text, start), of_theirs, limits, report)
        return
    first = text[start:].split("\n", 1)[0]
    header = _try_json(first)
    if sillytavern.is_header(header) or sillytavern.is_message(header):
        yield from _sillytavern(name, text, limits, report)
        return
    if training_rows.is_row(header):
        items = training_rows.items_of_lines(text)
        yield from _of_array(name, items, of_theirs, limits, report)
        return
    if ours := json_format.HEAD.match(text):
        _refuse_newer(name, int(ours["version"]))
        # One chat at a time: of a file that is cut off, the whole ones are had.
        items = items_of_array(text, ours.end() - 1)
        yield from _of_array(name, items, json_format.parse, limits, report)
        return
    try:
        document = parse_json(text)
    except ValueError as error:
        raise UsageError(
            tr("store.import.fault", where=name, reason=str(error)),
            tr("store.import.unknown_remedy"),
        ) from error
    if isinstance(document, dict) and document.get("format") == json_format.FORMAT:
        _refuse_newer(name, document.get("version"))
        chats = document.get("chats")
        if not isinstance(chats, list):
            raise _unknown(name)
        items = (Item(row, 1, chat) for row, chat in enumerate(chats, 1))
        yield from _of_array(name, items, json_format.parse, limits, report)
    elif isinstance(document, dict) and ("mapping" in document or training_rows.is_row(document)):
        yield from _of_array(name, iter([Item(1, 1, document)]), of_theirs, limits, report)
    else:
        raise _unknown(name)


def _refuse_newer(name: str, version: object) -> None:
    if not isinstance(version, int) or version > json_format.VERSION:
        raise UsageError(
            tr("store.import.newer", path=name, found=version, known=json_format.VERSION),
            tr("store.import.newer_remedy"),
        )


def _of_array(
    name: str,
    items: Iterator[Item],
    parse: Callable[[Mapping[str, Any], Limits], ChatRecord],
    limits: Limits,
    report: ImportReport,
) -> Iterator[ChatRecord]:
    for item in items:
        try:
            if item.fault:
                raise ValueError(item.fault)
            if not isinstance(item.value, dict):
                Fields.of(item.value)
            if training_rows.is_comment(item.value):
                continue
            record = parse(item.value, limits)
        except ValueError as error:
            where = tr("store.import.where_row", path=name, line=item.line, row=item.row)
            report.faults.append(tr("store.import.fault", where=where, reason=str(error)))
            continue
        yield record


def _sillytavern(
    name: str, text: str, limits: Limits, report: ImportReport
) -> Iterator[ChatRecord]:
    # Not splitlines: U+2028 may stand in a JSON string.
    try:
        parsed = sillytavern.parse(text.split("\n"), limits, name=Path(name).stem)
    except ValueError as error:
        report.faults.append(tr("store.import.fault", where=name, reason=str(error)))
        return
    for fault in parsed.faults:
        where = tr("store.import.where_line", path=name, line=fault.line)
        report.faults.append(tr("store.import.fault", where=where, reason=fault.reason))
    if parsed.hidden_count:
        report.notes.append(
            tr("store.import.hidden_left_out", where=name, count=parsed.hidden_count)
        )
    yield parsed.record


def _try_json(text: str) -> object:
    try:
        return parse_json(text)
    except ValueError:
        return None
