# SPDX-License-Identifier: Apache-2.0
"""Reading messages: one, a path, a whole tree, the alternatives at a place."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart, Role
from yuren_tui.store.chat_rows import unknown_chat
from yuren_tui.store.database import Database
from yuren_tui.store.encoding import decode_object
from yuren_tui.store.pictures import Pictures
from yuren_tui.store.tree import PATH, SIBLINGS
from yuren_tui.store.values import StoredMessage, from_milliseconds


class MessageReader:
    """What can be asked of messages without changing them; `Messages` adds the rest.

    Args:
        database: where they are.
        pictures: knows where the pictures that they show lie.
    """

    def __init__(self, database: Database, pictures: Pictures) -> None:
        self._database = database
        self._pictures = pictures

    def get(self, message_id: int) -> StoredMessage:
        """One message, deleted or not."""
        rows = self._database.rows(
            f"SELECT m.*, {SIBLINGS} FROM messages m WHERE m.id = ?", (message_id,)
        )
        if not rows:
            raise unknown_message(message_id)
        return self._values(rows)[0]

    def path(self, chat_id: int) -> tuple[StoredMessage, ...]:
        """The messages from the first to the active leaf: what is shown, and told to the model."""
        return self._values(self._database.rows(PATH, (chat_id,)))

    def tree(self, chat_id: int) -> tuple[StoredMessage, ...]:
        """All live messages of a chat, parents before children, siblings in order."""
        return self._values(
            self._database.rows(
                f"SELECT m.*, {SIBLINGS} FROM messages m"
                " WHERE m.chat_id = ? AND m.deleted_in IS NULL ORDER BY m.id",
                (chat_id,),
            )
        )

    def siblings(self, message_id: int) -> tuple[int, ...]:
        """The live alternatives at a message's place, itself among them, oldest first."""
        message = self.get(message_id)
        rows = self._database.rows(
            "SELECT id FROM messages WHERE chat_id = ? AND parent_id IS ? AND deleted_in IS NULL"
            " ORDER BY id",
            (message.chat_id, message.parent_id),
        )
        return tuple(row["id"] for row in rows)

    def _values(self, rows: Sequence[sqlite3.Row]) -> tuple[StoredMessage, ...]:
        images = self._pictures.of_messages([row["id"] for row in rows])
        return tuple(_message(row, images.get(row["id"], ())) for row in rows)


def _message(row: sqlite3.Row, images: tuple[ImagePart, ...]) -> StoredMessage:
    return StoredMessage(
        id=row["id"],
        chat_id=row["chat_id"],
        parent_id=row["parent_id"],
        role=Role(row["role"]),
        text=row["text"],
        images=images,
        status=row["status"],
        stats=decode_object(row["stats"]),
        created_at=from_milliseconds(row["created_at"]),
        is_pinned=bool(row["is_pinned"]),
        speaker=row["speaker"],
        model=row["model"],
        sibling_index=row["sibling_index"],
        sibling_count=row["sibling_count"],
        extras=decode_object(row["extras"]),
    )


def row_of(db: sqlite3.Connection, message_id: int) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(
        "SELECT id, chat_id, parent_id, deleted_in FROM messages WHERE id = ?", (message_id,)
    ).fetchone()
    if row is None:
        raise unknown_message(message_id)
    return row


def active_leaf(db: sqlite3.Connection, chat_id: int) -> int | None:
    """A chat's active leaf, inside a transaction; UsageError where there is no such chat."""
    row = db.execute("SELECT active_leaf FROM chats WHERE id = ?", (chat_id,)).fetchone()
    if row is None:
        raise unknown_chat(chat_id)
    return None if row[0] is None else int(row[0])


def require_live(db: sqlite3.Connection, chat_id: int, message_id: int | None) -> None:
    """Refuse a parent that is deleted or another chat's, inside a transaction."""
    if message_id is not None:
        row = row_of(db, message_id)
        if row["chat_id"] != chat_id or row["deleted_in"] is not None:
            raise unknown_message(message_id)


def unknown_message(message_id: int) -> UsageError:
    """What is said of an id that no message has."""
    return UsageError(tr("store.no_message", id=message_id), tr("store.no_message_remedy"))
