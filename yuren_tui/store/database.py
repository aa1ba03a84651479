# SPDX-License-Identifier: Apache-2.0
"""One SQLite file: opened, made current, written in transactions, read at any time.

WAL lets readers go on while somebody writes, so two chats on one store do no harm. Every write
is one `BEGIN IMMEDIATE` transaction; waiting for another process's is bounded by
`busy_timeout_s`. `synchronous` is NORMAL: with WAL a killed process loses nothing and a power
cut never damages the file, it can only take back the last moments. Where that is not enough, as
for a person's own words, `write(durable=True)` raises it to FULL, and that commit, with all
before it, is on the disk when the block ends: one fsync for each message, none for each piece of
a streamed answer.

Safe to use from several threads: one connection writes, another reads for searches, each under
its own lock.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from yuren_core.errors import StorageError
from yuren_core.i18n import tr
from yuren_core.paths import storing
from yuren_tui.store.faults import is_damage, suspicion_of, translated
from yuren_tui.store.migrations import MIGRATIONS, Step, migrate, newer_than_us, version_of
from yuren_tui.store.rescue import is_sound, rescuing, set_aside

_OPENING_TIMEOUT_S = 30.0
"""Another process may be migrating."""


class Database:
    """The file behind the store.

    Args:
        path: the file; made, with its directory, where it is missing.
        busy_timeout_s: how long to wait for another process's transaction.
        steps: the migrations; another list only in tests.

    Raises:
        StorageError: it cannot be opened, is newer than this yuren, or is no store. A damaged
            one is no error: it is set aside, an empty one begun, and `notices` tells both.
    """

    def __init__(
        self, path: Path, *, busy_timeout_s: float = 5.0, steps: Sequence[Step] = MIGRATIONS
    ) -> None:
        self.path = path
        self.notices: list[str] = []
        self._busy_timeout_s = busy_timeout_s
        self._version = len(steps)
        self._lock = threading.RLock()
        self._reader_lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        if sqlite3.sqlite_version_info < (3, 35):
            raise StorageError(
                tr("store.old_sqlite", version=sqlite3.sqlite_version), tr("store.sqlite_remedy")
            )
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with translated(path):
            try:
                self._connection = self._open(steps)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._connection = self._open_anew(steps)

    def _open(self, steps: Sequence[Step]) -> sqlite3.Connection:
        connection = self._connect(_OPENING_TIMEOUT_S)
        try:
            marker = suspicion_of(self.path)
            if marker.exists():
                if not is_sound(connection):
                    raise _damage()
                marker.unlink(missing_ok=True)
            if kept := migrate(connection, self.path, steps):
                self.notices.append(tr("store.migrated", version=self._version, kept=kept))
            # Another process that opens at the same time makes this BUSY, and then sets it.
            with suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA busy_timeout = {round(self._busy_timeout_s * 1000)}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_anew(self, steps: Sequence[Step]) -> sqlite3.Connection:
        """Open a file that was found damaged; where nobody has seen to it yet, set it aside."""
        with rescuing(self.path):
            try:
                return self._open(steps)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
            kept = set_aside(self.path)
            self.notices.append(tr("store.was_damaged", path=self.path, kept=kept))
            return self._open(steps)

    def _connect(self, timeout_s: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=timeout_s, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        return connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction: all of the block, or nothing of it.

        Args:
            durable: wait until it is on the disk.

        Raises:
            StorageError: it cannot be written, or a newer yuren has changed the file meanwhile.
        """
        with self._lock, translated(self.path):
            db = self._connection
            if durable:
                db.execute("PRAGMA synchronous = FULL")
            try:
                db.execute("BEGIN IMMEDIATE")
                try:
                    if (found := version_of(db)) != self._version:
                        raise newer_than_us(self.path, found, self._version)
                    yield db
                    db.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):
                        db.execute("ROLLBACK")
                    raise
            finally:
                if durable:
                    db.execute("PRAGMA synchronous = NORMAL")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query.

        Raises:
            StorageError: it cannot be read.
        """
        with self._lock, translated(self.path):
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A second connection, one snapshot for the block: a long read holds up no write."""
        with self._reader_lock, translated(self.path):
            if self._reader is None:
                self._reader = self._connect(self._busy_timeout_s)
                self._reader.execute("PRAGMA query_only = ON")
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                self._reader.execute("ROLLBACK")

    def close(self) -> None:
        """Close both connections; the last one to close folds the WAL into the file."""
        with self._lock, self._reader_lock:
            for connection in (self._reader, self._connection):
                if connection is not None:
                    connection.close()
            self._reader = None


def _damage() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("integrity check failed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
