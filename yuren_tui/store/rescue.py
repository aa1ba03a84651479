# SPDX-License-Identifier: Apache-2.0
"""What is done about a damaged database: checked, mended where only an index is wrong, set aside.

Nothing is ever deleted here. A file that is set aside keeps its name, with the time behind it,
and lies where it lay, so that other tools (`sqlite3 FILE .recover`) can try it.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from yuren_core.paths import storing

INDEXES = ("title_index", "message_index")


@contextmanager
def rescuing(path: Path) -> Iterator[None]:
    """Be the only process that looks after a damaged database, waiting for others to be done.

    Without it, one process could set aside what another has just begun anew.

    Raises:
        StorageError: the lock cannot be had.
    """
    with storing(path), path.with_name(f"{path.name}.rescue").open("ab") as file:
        _lock(file.fileno())
        yield


def set_aside(path: Path) -> Path:
    """Rename a database and what belongs to it.

    Returns:
        Where the database itself lies now.

    Raises:
        StorageError: it cannot be renamed.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    with storing(kept):
        for suffix in ("-wal", "-shm", ".suspect", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(kept.with_name(kept.name + suffix))
    return kept


def problems(connection: sqlite3.Connection) -> list[str]:
    """What SQLite's full check finds wrong, and references that lead nowhere; empty if sound."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
    if found == ["ok"]:
        found = []
    dangling = connection.execute("PRAGMA foreign_key_check").fetchall()
    return found + [f"{row[0]} {row[1]} refers to nothing in {row[2]}" for row in dangling]


def rebuild_indexes(connection: sqlite3.Connection) -> None:
    """Fill the search indexes anew from the chats and messages."""
    for index in INDEXES:
        connection.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")


def is_sound(connection: sqlite3.Connection) -> bool:
    """Whether a suspected database is well, once its search indexes are filled anew."""
    try:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if tables.issuperset(INDEXES):
            rebuild_indexes(connection)
        return not problems(connection)
    except sqlite3.DatabaseError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)
