# SPDX-License-Identifier: Apache-2.0
"""What SQLite refuses, as errors that a person can act on.

A full disk, a read-only place, a lock held for long, a damaged file: each is a `StorageError`
with its own remedy. Nothing is retried and nothing is swallowed here; what was to be stored is
still in the caller's hands.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yuren_core.errors import StorageError
from yuren_core.i18n import tr

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_REMEDIES = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_PERM: "read_only",
    sqlite3.SQLITE_AUTH: "read_only",
    sqlite3.SQLITE_CANTOPEN: "read_only",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
    sqlite3.SQLITE_IOERR: "io",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
    sqlite3.SQLITE_TOOBIG: "too_big",
}


_LEAST_ROOM = 1 << 20
"""Bytes. With less free than this, SQLite may call a full disk one that does not answer: it
cannot lengthen the file through which processes share the WAL's index."""


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error has none."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault."""
    return code_of(error) in _DAMAGE


def suspicion_of(path: Path) -> Path:
    """The marker that makes the next opening check the whole database."""
    return path.with_name(f"{path.name}.suspect")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about `path` into `StorageError`; mark a damaged file for a check.

    Raises:
        StorageError: whatever SQLite refused inside the block.
    """
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a fault of ours, not of the disk's
    except sqlite3.Error as error:
        if is_damage(error):
            with suppress(OSError):
                suspicion_of(path).touch()
        name = _REMEDIES.get(code_of(error), "other")
        if name == "io" and _is_full(path):
            name = "full"
        reason = str(error) if name == "other" else tr(f"store.reason_{name}")
        raise StorageError(
            tr("store.refused", path=path, reason=reason), tr(f"store.remedy_{name}")
        ) from error


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _LEAST_ROOM
    except OSError:
        return False
