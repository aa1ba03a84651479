# SPDX-License-Identifier: Apache-2.0
"""The messages of chats: a tree each, in which nothing that was said is overwritten.

Edit, retry and continue add a sibling; only an answer's own text grows while it is written. The
chat's active leaf says which path is shown. Deleting hides a subtree until it is brought back.

An answer's life: `begin_answer` (or `retry`, `resume`), `save_partial` as often as one likes,
`finish`. What a dead process left half-written is closed by `recover`, at every opening: with
words it stands as "failed", a wordless one is taken away and its question becomes the leaf. An
answer that a living process writes, of this program or another, is never touched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from yuren_core.errors import UsageError
from yuren_core.messages import ImagePart, Role
from yuren_tui.i18n import tr
from yuren_tui.store.chats import unknown_chat
from yuren_tui.store.database import Database
from yuren_tui.store.encoding import decode_object, encode_object, now_ms
from yuren_tui.store.pictures import Pictures, refer
from yuren_tui.store.tree import (
    PATH,
    SIBLINGS,
    SUBTREE,
    leaf_after_loss,
    newest_leaf,
    set_leaf,
)
from yuren_tui.store.values import (
    Deletion,
    Json,
    MessageStatus,
    StoredMessage,
    from_milliseconds,
    storable,
)
from yuren_tui.store.writers import Writers


class _ActiveLeaf:
    """Says of a parent: whatever the chat's active leaf is."""


ACTIVE_LEAF: Final = _ActiveLeaf()


class Messages:
    """The messages of one store. Every method that takes an id raises UsageError where there is
    no such chat or message, and StorageError where the disk refuses; then nothing has changed.

    Args:
        database: where they are.
        pictures: keeps what messages show.
        writers: tells living writers from dead ones.
    """

    def __init__(self, database: Database, pictures: Pictures, writers: Writers) -> None:
        self._database = database
        self._pictures = pictures
        self._writers = writers

    # ------------------------------------------------------------ reading

    def get(self, message_id: int) -> StoredMessage:
        """One message, deleted or not."""
        rows = self._database.rows(
            f"SELECT m.*, {SIBLINGS} FROM messages m WHERE m.id = ?", (message_id,)
        )
        if not rows:
            raise _unknown(message_id)
        return self._messages(rows)[0]

    def path(self, chat_id: int) -> tuple[StoredMessage, ...]:
        """The messages from the first to the active leaf: what is shown, and told to the model."""
        return self._messages(self._database.rows(PATH, (chat_id,)))

    def tree(self, chat_id: int) -> tuple[StoredMessage, ...]:
        """All live messages of a chat, parents before children, siblings in order."""
        return self._messages(
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

    # ------------------------------------------------------------ saying

    def append(
        self,
        chat_id: int,
        role: Role,
        text: str,
        *,
        images: Iterable[ImagePart] = (),
        parent_id: int | _ActiveLeaf | None = ACTIVE_LEAF,
        speaker: str = "",
        model: str = "",
        status: MessageStatus = "done",
        stats: Json | None = None,
        extras: Json | None = None,
    ) -> StoredMessage:
        """Add a message below another and make it the active leaf; on the disk on return.

        Args:
            chat_id: the chat.
            role: who speaks.
            text: the words, exactly.
            images: pictures, in order; copied into the store.
            parent_id: a live message of the chat; None for a first message; the active leaf
                by default.
            speaker: a name, in role play.
            model: what wrote it.
            status: how it ended; "writing" for an answer that is to come.
            stats: counts of an answer.
            extras: whatever else is to be kept with it.

        Raises:
            ImageError: a picture cannot be read.
        """
        kept = self._pictures.keep_all(images)
        writer = self._writers.token() if status == "writing" else None
        with self._database.write(durable=writer is None) as db:
            parent = self._parent(db, chat_id, parent_id)
            now = now_ms()
            message_id = db.execute(
                "INSERT INTO messages (chat_id, parent_id, role, text, status, stats, created_at,"
                " speaker, model, writer, extras) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(chat_id, parent, role.value, storable(text), status),
                    *(encode_object(stats or {}), now, storable(speaker), storable(model)),
                    *(writer, encode_object(extras or {})),
                ),
            ).lastrowid
            assert message_id is not None
            refer(db, message_id, kept)
            set_leaf(db, chat_id, message_id, now)
            if model:
                db.execute("UPDATE chats SET model = ? WHERE id = ?", (storable(model), chat_id))
        return self.get(message_id)

    def begin_answer(
        self,
        chat_id: int,
        *,
        parent_id: int | _ActiveLeaf | None = ACTIVE_LEAF,
        text: str = "",
        speaker: str = "",
        model: str = "",
        extras: Json | None = None,
    ) -> StoredMessage:
        """Add an answer that is being written by this process; arguments as `append`."""
        return self.append(
            chat_id,
            Role.ASSISTANT,
            text,
            parent_id=parent_id,
            speaker=speaker,
            model=model,
            status="writing",
            extras=extras,
        )

    def save_partial(self, message_id: int, text: str) -> None:
        """Keep what has been written so far; cheap enough for twice a second."""
        with self._database.write() as db:
            done = db.execute(
                "UPDATE messages SET text = ? WHERE id = ?", (storable(text), message_id)
            )
            if not done.rowcount:
                raise _unknown(message_id)

    def finish(
        self, message_id: int, text: str, status: MessageStatus, stats: Json | None = None
    ) -> StoredMessage:
        """Close an answer with its last words and how it ended; on the disk on return."""
        with self._database.write(durable=True) as db:
            done = db.execute(
                "UPDATE messages SET text = ?, status = ?, stats = ?, writer = NULL WHERE id = ?",
                (storable(text), status, encode_object(stats or {}), message_id),
            )
            if not done.rowcount:
                raise _unknown(message_id)
        return self.get(message_id)

    def discard(self, message_id: int) -> None:
        """Remove a message and all below it for good: an exchange that came to nothing."""
        with self._database.write() as db:
            row = _row(db, message_id)
            ids = [r[0] for r in db.execute(SUBTREE, (message_id,))]
            leaf = leaf_after_loss(db, row, ids)
            set_leaf(db, row["chat_id"], leaf)
            db.execute("DELETE FROM messages WHERE id = ?", (message_id,))

    # ------------------------------------------------------------ branching

    def edit(
        self, message_id: int, text: str, *, images: Iterable[ImagePart] | None = None
    ) -> StoredMessage:
        """Say a message otherwise: a sibling with the new words, made the active leaf.

        Args:
            message_id: the message that is edited; it stays as it is.
            text: the new words.
            images: the new pictures; the old ones where None.
        """
        old = self.get(message_id)
        return self.append(
            old.chat_id,
            old.role,
            text,
            images=old.images if images is None else images,
            parent_id=old.parent_id,
            speaker=old.speaker,
            model=old.model,
            extras=old.extras,
        )

    def retry(self, message_id: int, *, model: str = "") -> StoredMessage:
        """Answer again: an empty sibling of an answer, being written by this process."""
        old = self.get(message_id)
        return self.begin_answer(
            old.chat_id, parent_id=old.parent_id, speaker=old.speaker, model=model
        )

    def resume(self, message_id: int, *, model: str = "") -> StoredMessage:
        """Continue a cut answer: a sibling that begins with its words, being written."""
        old = self.get(message_id)
        return self.begin_answer(
            old.chat_id,
            parent_id=old.parent_id,
            text=old.text,
            speaker=old.speaker,
            model=model,
            extras={**old.extras, "continues": message_id},
        )

    def select(self, message_id: int) -> int:
        """Show the branch of a message.

        Returns:
            The new active leaf: the newest one below the message.
        """
        with self._database.write() as db:
            row = _row(db, message_id)
            if row["deleted_in"] is not None:
                raise _unknown(message_id)
            leaf = newest_leaf(db, message_id)
            set_leaf(db, row["chat_id"], leaf)
            return leaf

    def step(self, message_id: int, offset: int) -> int:
        """Show the alternative that stands `offset` places from a message; the ends hold.

        Returns:
            The alternative's id.
        """
        ids = self.siblings(message_id)
        if message_id not in ids:
            raise _unknown(message_id)
        place = min(max(ids.index(message_id) + offset, 0), len(ids) - 1)
        self.select(ids[place])
        return ids[place]

    def pin(self, message_id: int, *, pinned: bool = True) -> None:
        """Keep a message in the context when older ones are dropped, or let it go again."""
        self._update(message_id, "is_pinned", int(pinned))

    def set_extras(self, message_id: int, extras: Json) -> None:
        """Replace what a front end keeps with a message."""
        self._update(message_id, "extras", encode_object(extras))

    # ------------------------------------------------------------ deleting

    def delete(self, message_id: int) -> Deletion:
        """Hide a message and all below it; the nearest alternative is shown instead."""
        with self._database.write() as db:
            row = _row(db, message_id)
            if row["deleted_in"] is not None:
                raise _unknown(message_id)
            ids = [r[0] for r in db.execute(SUBTREE, (message_id,))]
            (previous,) = db.execute(
                "SELECT active_leaf FROM chats WHERE id = ?", (row["chat_id"],)
            ).fetchone()
            set_leaf(db, row["chat_id"], leaf_after_loss(db, row, ids))
            db.executemany(
                "UPDATE messages SET deleted_in = ? WHERE id = ?", [(message_id, i) for i in ids]
            )
        return Deletion(row["chat_id"], message_id, len(ids), previous)

    def undo(self, deletion: Deletion) -> None:
        """Bring a deleted subtree back, and show what was shown before.

        Where a message above it has been deleted since, it comes back together with that one.
        """
        with self._database.write() as db:
            row = _row(db, deletion.message_id)
            parent = None if row["parent_id"] is None else _row(db, row["parent_id"])
            above = None if parent is None else parent["deleted_in"]
            db.execute(
                "UPDATE messages SET deleted_in = ? WHERE deleted_in = ?",
                (above, deletion.message_id),
            )
            if above is None and _row(db, deletion.message_id)["deleted_in"] is None:
                leaf = deletion.previous_leaf
                if leaf is None or not _is_live_leaf(db, row["chat_id"], leaf):
                    leaf = newest_leaf(db, deletion.message_id)
                set_leaf(db, row["chat_id"], leaf)

    # ------------------------------------------------------------ recovering

    def recover(self) -> int:
        """Close the answers whose writers are dead.

        Returns:
            How many there were.
        """
        rows = self._database.rows("SELECT DISTINCT writer FROM messages WHERE status = 'writing'")
        dead = [row["writer"] for row in rows if not self._writers.is_alive(row["writer"] or "")]
        closed = 0
        for writer in dead:
            with self._database.write() as db:
                for row in db.execute(
                    "SELECT * FROM messages WHERE status = 'writing' AND writer IS ?", (writer,)
                ).fetchall():
                    closed += 1
                    below = len(db.execute(SUBTREE, (row["id"],)).fetchall()) - 1
                    if row["text"] or below or row["deleted_in"] is not None:
                        db.execute(
                            "UPDATE messages SET status = 'failed', writer = NULL WHERE id = ?",
                            (row["id"],),
                        )
                    else:
                        set_leaf(db, row["chat_id"], leaf_after_loss(db, row, [row["id"]]))
                        db.execute("DELETE FROM messages WHERE id = ?", (row["id"],))
        return closed

    # ------------------------------------------------------------ rows

    def _parent(
        self, db: sqlite3.Connection, chat_id: int, parent_id: int | _ActiveLeaf | None
    ) -> int | None:
        chat = db.execute("SELECT active_leaf FROM chats WHERE id = ?", (chat_id,)).fetchone()
        if chat is None:
            raise unknown_chat(chat_id)
        if isinstance(parent_id, _ActiveLeaf):
            return None if chat["active_leaf"] is None else int(chat["active_leaf"])
        if parent_id is not None:
            row = _row(db, parent_id)
            if row["chat_id"] != chat_id or row["deleted_in"] is not None:
                raise _unknown(parent_id)
        return parent_id

    def _update(self, message_id: int, column: str, value: object) -> None:
        with self._database.write() as db:
            done = db.execute(f"UPDATE messages SET {column} = ? WHERE id = ?", (value, message_id))
            if not done.rowcount:
                raise _unknown(message_id)

    def _messages(self, rows: Sequence[sqlite3.Row]) -> tuple[StoredMessage, ...]:
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


def _row(db: sqlite3.Connection, message_id: int) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(
        "SELECT id, chat_id, parent_id, deleted_in FROM messages WHERE id = ?", (message_id,)
    ).fetchone()
    if row is None:
        raise _unknown(message_id)
    return row


def _is_live_leaf(db: sqlite3.Connection, chat_id: int, message_id: int) -> bool:
    row = db.execute(
        "SELECT 1 FROM messages m WHERE m.id = ? AND m.chat_id = ? AND m.deleted_in IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM messages k WHERE k.chat_id = m.chat_id"
        " AND k.parent_id = m.id AND k.deleted_in IS NULL)",
        (message_id, chat_id),
    ).fetchone()
    return row is not None


def _unknown(message_id: int) -> UsageError:
    return UsageError(tr("store.no_message", id=message_id), tr("store.no_message_remedy"))
