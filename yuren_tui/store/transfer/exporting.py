# SPDX-License-Identifier: Apache-2.0
"""Writing chats to files: Markdown, our JSON, rows for training; pictures go along.

A document is written whole or not at all. For Markdown and training, pictures are copied beside
it into `<name>.pictures/`, named by their hash, and referred to by relative paths with `/`, so
that document and directory can be moved together. In our JSON they are inside. Rows for training
are JSON Lines in a file named so (`.jsonl`), and a JSON array in any other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Literal

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.paths import atomic_write, require_parent
from yuren_tui.store.store import Store
from yuren_tui.store.transfer import json_format
from yuren_tui.store.transfer.markdown import render_markdown
from yuren_tui.store.transfer.records import ChatRecord
from yuren_tui.store.transfer.storing import read_record
from yuren_tui.store.transfer.stretches import Told, stretches_of
from yuren_tui.store.transfer.training import training_row

ExportFormat = Literal["markdown", "json", "training"]

SUFFIXES: dict[ExportFormat, str] = {"markdown": ".md", "json": ".json", "training": ".json"}


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export has written.

    Attributes:
        path: the document.
        pictures: the files beside it.
        chat_count: how many chats are in it.
        notes: what a person should know, in their language.
    """

    path: Path
    pictures: tuple[Path, ...]
    chat_count: int
    notes: tuple[str, ...] = ()


def export_chats(
    store: Store,
    chat_ids: Sequence[int],
    path: Path,
    export_format: ExportFormat,
    *,
    told: Told | None = None,
) -> ExportResult:
    """Write chats to a file; one that is there is replaced.

    Args:
        store: where they are.
        chat_ids: which; in a Markdown document they follow one another.
        path: the document; its directory is there.
        export_format: "markdown" and "training" take the path that is shown, "json" all.
        told: what a chat's model was told first, for rows that it is to learn from and for
            Markdown; what the person wrote, macros and all, where it is None.

    Raises:
        UsageError: no such directory or chat, or a training export in which no model has spoken.
        StorageError: the files cannot be written, or a picture is missing.
    """
    require_parent(path)
    records = [read_record(store, chat_id) for chat_id in chat_ids]
    if export_format == "json":
        atomic_write(path, json_format.dump(records, exported_at=datetime.now(UTC)))
        return ExportResult(path, (), len(records))
    names = _picture_names(path, records)
    if export_format == "markdown":
        documents = [render_markdown(record, names, told).rstrip() for record in records]
        pictures = _copy_pictures(path, records, names)
        atomic_write(path, "\n\n---\n\n".join(documents) + "\n")
        return ExportResult(path, pictures, len(records))
    chats, notes = _training(chat_ids, records, names, told)
    pictures = _copy_pictures(path, records, names)
    atomic_write(path, _written([row for rows in chats for row in rows], path))
    return ExportResult(path, pictures, len(chats), tuple(notes))


def free_path(path: Path) -> Path:
    """Where nothing would be written over: the path itself, else the first of "name (2)",
    "name (3)" and so on that nothing has."""
    return next(place for place in _places(path) if not os.path.lexists(place))


def _places(path: Path) -> Iterator[Path]:
    yield path
    yield from (path.with_stem(f"{path.stem} ({number})") for number in count(2))


def _written(rows: Sequence[dict[str, object]], path: Path) -> str:
    """Rows as the file's name says: one a line, or an array."""
    if path.suffix.lower() == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def _training(
    chat_ids: Sequence[int],
    records: Sequence[ChatRecord],
    names: dict[str, str],
    told: Told | None,
) -> tuple[list[list[dict[str, object]]], list[str]]:
    """The rows of each chat that has some, and what is to be said of them."""
    chats: list[list[dict[str, object]]] = []
    notes: list[str] = []
    for chat_id, record in zip(chat_ids, records, strict=True):
        written = [training_row(stretch, names) for stretch in stretches_of(record, told)]
        rows = [row for row in written if row is not None]
        if not rows:
            notes.append(tr("store.export.no_answer", id=chat_id))
            continue
        chats.append([row.value for row in rows])
        if len(rows) > 1:
            notes.append(tr("store.export.several_rows", id=chat_id, count=len(rows)))
        if cut := sum(row.cut_answers for row in rows):
            notes.append(tr("store.export.cut_answers", id=chat_id, count=cut))
        if any(row.has_parts for row in rows):
            notes.append(tr("store.export.placeholder", id=chat_id))
        if any(row.has_greeting for row in rows):
            notes.append(tr("store.export.greeting", id=chat_id))
    if not chats:
        first = chat_ids[0] if chat_ids else 0
        raise UsageError(
            tr("store.export.no_answer", id=first), tr("store.export.no_answer_remedy")
        )
    return chats, notes


def _picture_names(path: Path, records: Sequence[ChatRecord]) -> dict[str, str]:
    """Of the pictures on the paths that are shown: hash -> path relative to the document."""
    return {
        sha256: f"{path.stem}.pictures/{sha256}{record.pictures[sha256].suffix}"
        for record in records
        for message in record.active_path()
        for sha256 in message.images
    }


def _copy_pictures(
    path: Path, records: Sequence[ChatRecord], names: dict[str, str]
) -> tuple[Path, ...]:
    known = {sha256: picture for record in records for sha256, picture in record.pictures.items()}
    written = []
    for sha256, name in names.items():
        target = path.parent / name
        atomic_write(target, known[sha256].read())
        written.append(target)
    return tuple(written)
