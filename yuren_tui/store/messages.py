# SPDX-License-Identifier: Apache-2.0
"""The messages of chats: a tree each, in which nothing that was said is overwritten.

Edit, retry and continue add a sibling; only an answer's own text grows while it is written. The
active leaf says which path is shown. Deleting hides a subtree until it is brought back.

An answer's life: `begin_answer` (or `retry`, `resume`), `save_partial` as often as one likes,
`finish`. What a dead process left half-written is closed by `recover`, at every opening: with
words it stands as "failed", a wordless one is taken away and its question becomes the leaf. An
answer that a living process writes, of this program or another, is never touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from yuren_core.messages import ImagePart, Role
from yuren_tui.store.database import Database
from yuren_tui.store.encoding import encode_object, now_ms
from yuren_tui.store.message_rows import (
    MessageReader,
    active_leaf,
    require_live,
    row_of,
    unknown_message,
)
from yuren_tui.store.pictures import Pictures, refer
from yuren_tui.store.recovery import recover
from yuren_tui.store.tree import (
    SUBTREE,
    is_live_leaf,
    leaf_after_loss,
    newest_leaf,
    set_leaf,
)
from yuren_tui.store.values import (
    Deletion,
    Json,
    MessageStatus,
    StoredMessage,
    storable,
)
from yuren_tui.store.writers import Writers


class ActiveLeaf:
    pass


ACTIVE_LEAF: Final = ActiveLeaf()
"""Says of a parent: whatever the chat's active leaf is."""


class Messages(MessageReader):
    """The messages of one store. UsageError where there is no such chat or message, StorageError
    where the disk refuses; then nothing has changed.

    Args:
        database: where they are.
        pictures: keeps what messages show.
        writers: tells living writers from dead ones.
    """

    def __init__(self, database: Database, pictures: Pictures, writers: Writers) -> None:
        super().__init__(database, pictures)
        self._writers = writers

    # ------------------------------------------------------------ saying

    def append(
        self,
        chat_id: int,
        role: Role,
        text: str,
        *,
        images: Iterable[ImagePart] = (),
        parent_id: int | ActiveLeaf | None = ACTIVE_LEAF,
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
            speaker: a name, in role play; `model`: what wrote it.
            status: how it ended; "writing" for an answer that is to come.
            stats: counts of an answer; `extras`: whatever else is to be kept with it.

        Raises:
            ImageError: a picture cannot be read.
        """
        kept = self._pictures.keep_all(images)
        writer = self._writers.token() if status == "writing" else None
        with self._database.write(durable=writer is None) as db:
            leaf = active_leaf(db, chat_id)
            parent = leaf if isinstance(parent_id, ActiveLeaf) else parent_id
            require_live(db, chat_id, parent)
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
        parent_id: int | ActiveLeaf | None = ACTIVE_LEAF,
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
                raise unknown_message(message_id)

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
                raise unknown_message(message_id)
        return self.get(message_id)

    def discard(self, message_id: int) -> None:
        """Remove a message and all below it for good: an exchange that came to nothing."""
        with self._database.write() as db:
            row = row_of(db, message_id)
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
            row = row_of(db, message_id)
            if row["deleted_in"] is not None:
                raise unknown_message(message_id)
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
            raise unknown_message(message_id)
        place = min(max(ids.index(message_id) + offset, 0), len(ids) - 1)
        self.select(ids[place])
        return ids[place]

    def pin(self, message_id: int, *, pinned: bool = True) -> None:
        """Keep a message in the context when older ones are dropped, or let it go."""
        self._update(message_id, "is_pinned", int(pinned))

    def set_extras(self, message_id: int, extras: Json) -> None:
        """Replace what a front end keeps with a message."""
        self._update(message_id, "extras", encode_object(extras))

    # ------------------------------------------------------------ deleting

    def delete(self, message_id: int) -> Deletion:
        """Hide a message and all below it; the nearest alternative is shown instead."""
        with self._database.write() as db:
            row = row_of(db, message_id)
            if row["deleted_in"] is not None:
                raise unknown_message(message_id)
            ids = [r[0] for r in db.execute(SUBTREE, (message_id,))]
            previous = active_leaf(db, row["chat_id"])
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
            row = row_of(db, deletion.message_id)
            parent = None if row["parent_id"] is None else row_of(db, row["parent_id"])
            above = None if parent is None else parent["deleted_in"]
            db.execute(
                "UPDATE messages SET deleted_in = ? WHERE deleted_in = ?",
                (above, deletion.message_id),
            )
            if above is None and row_of(db, deletion.message_id)["deleted_in"] is None:
                leaf = deletion.previous_leaf
                if leaf is None or not is_live_leaf(db, row["chat_id"], leaf):
                    leaf = newest_leaf(db, deletion.message_id)
                set_leaf(db, row["chat_id"], leaf)

    def recover(self) -> int:
        """Close the answers whose writers are dead, and say how many there were."""
        return recover(self._database, self._writers)

    # ------------------------------------------------------------ rows

    def _update(self, message_id: int, column: str, value: object) -> None:
        with self._database.write() as db:
            done = db.execute(f"UPDATE messages SET {column} = ? WHERE id = ?", (value, message_id))
            if not done.rowcount:
                raise unknown_message(message_id)
