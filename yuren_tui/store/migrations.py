# SPDX-License-Identifier: Apache-2.0
"""From any older version of the database to this one, or not at all.

Version N+1 is one more step at the end of `MIGRATIONS`; an empty file takes them all. The steps
run in one transaction, so a kill, a fault or a full disk leaves the old version whole. Before
the first step a copy of the old database is put beside it, whole and under its final name; it is
never deleted by us. A database of a newer version is refused and not touched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from yuren_core.errors import StorageError
from yuren_core.i18n import tr
from yuren_tui.store.schema import APPLICATION_ID, VERSION_1, VERSION_2, VERSION_3

Step = Callable[[sqlite3.Connection], None]
"""Brings a database from one version to the next, inside a transaction, foreign keys off."""


def run_script(connection: sqlite3.Connection, script: str) -> None:
    """Run statements inside the transaction that is open; `executescript` would commit it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def _version_1(connection: sqlite3.Connection) -> None:
    run_script(connection, VERSION_1)


def _version_2(connection: sqlite3.Connection) -> None:
    run_script(connection, VERSION_2)


def _version_3(connection: sqlite3.Connection) -> None:
    run_script(connection, VERSION_3)


MIGRATIONS: tuple[Step, ...] = (_version_1, _version_2, _version_3)
"""Step N makes version N+1 out of version N."""


def version_of(connection: sqlite3.Connection) -> int:
    """The schema's version; 0 for an empty database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(
    connection: sqlite3.Connection, path: Path, steps: Sequence[Step] = MIGRATIONS
) -> Path | None:
    """Bring a database to the newest version.

    Args:
        connection: in autocommit mode; foreign keys are off on return as on entry.
        path: its file, which the copy is put beside.
        steps: all migrations there are, oldest first.

    Returns:
        The kept copy; None where nothing was migrated, or there was nothing before.

    Raises:
        StorageError: the database is newer than `steps`, or is no store of yuren's.
        sqlite3.Error: a step failed; the database is as it was.
    """
    with _transaction(connection, "DEFERRED"):
        if _acceptable_version(connection, path, len(steps)) == len(steps):
            return None
    with _transaction(connection, "IMMEDIATE"):
        found = _acceptable_version(connection, path, len(steps))  # another may have been faster
        if found == len(steps):
            return None
        copy = _keep_copy(path, found) if found else None
        for step in steps[found:]:
            step(connection)
        if broken := connection.execute("PRAGMA foreign_key_check").fetchall():
            raise sqlite3.IntegrityError(f"migration leaves {len(broken)} dangling references")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(steps)}")
    return copy


def newer_than_us(path: Path, found: int, known: int) -> StorageError:
    """What is said of a database that a newer yuren has written."""
    return StorageError(
        tr("store.newer", path=path, found=found, known=known), tr("store.newer_remedy")
    )


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _acceptable_version(connection: sqlite3.Connection, path: Path, known: int) -> int:
    """The version of a database that we may use, or bring to `known`.

    Asked inside a transaction: what is read has to be of one moment, or a store that another
    process makes in between looks like tables without our mark.

    Raises:
        StorageError: as `migrate`.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (tables or application):
        raise StorageError(tr("store.foreign", path=path), tr("store.foreign_remedy"))
    if (found := version_of(connection)) > known:
        raise newer_than_us(path, found, known)
    return found


def _keep_copy(path: Path, version: int) -> Path:
    """Copy through a connection of its own: the open transaction does not show there."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    copy = path.with_name(f"{path.name}.v{version}-{stamp}.bak")
    draft = copy.with_name(f"{copy.name}.part")
    draft.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(draft)) as target:
            source.backup(target)
        draft.replace(copy)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    return copy
