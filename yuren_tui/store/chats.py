# SPDX-License-Identifier: Apache-2.0
"""Chats: made, listed, changed, put away, deleted, brought back; all but their messages.

Deleting a chat only marks it, so that `restore` is an undo; `purge_deleted` is what makes room.
A chat that has neither a message nor a draft is not listed: opening the program and leaving it
again leaves no trace.
"""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from datetime import datetime

from yuren_core.sampling_params import SamplingParams
from yuren_tui.store.chat_rows import ChatReader, int64, unknown_chat
from yuren_tui.store.database import Database
from yuren_tui.store.encoding import (
    encode_object,
    encode_sampling,
    now_ms,
)
from yuren_tui.store.instructions import remember_preset, remember_system_prompt
from yuren_tui.store.pictures import Pictures
from yuren_tui.store.values import (
    Chat,
    Draft,
    Json,
    storable,
    to_milliseconds,
)

MAX_TITLE = 500
"""The longest title, in characters."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Says of a value in an update that it stays as it is."""


UNCHANGED = Unchanged()


class Chats(ChatReader):
    """The chats of one store. Every method that takes a chat's id raises UsageError where the
    store has no such chat, and StorageError where the disk refuses.

    Args:
        database: where they are.
        pictures: keeps what drafts have attached.
    """

    def __init__(self, database: Database, pictures: Pictures) -> None:
        super().__init__(database, pictures)

    # ------------------------------------------------------------ changing

    def create(
        self,
        *,
        model: str = "",
        system_prompt: str = "",
        sampling: SamplingParams | None = None,
        preset: Json | None = None,
        extras: Json | None = None,
    ) -> Chat:
        """A new chat with nothing said."""
        with self._database.write() as db:
            now = now_ms()
            chat_id = db.execute(
                "INSERT INTO chats (uid, created_at, updated_at, opened_at, model, system_prompt,"
                " sampling, extras) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(str(uuid.uuid4()), now, now, now, storable(model), storable(system_prompt)),
                    encode_sampling(sampling),
                    encode_object(extras or {}),
                ),
            ).lastrowid
            assert chat_id is not None
            remember_system_prompt(db, chat_id, system_prompt, now)
            remember_preset(db, chat_id, _encoded(preset), now)
        return self.get(chat_id)

    def update(
        self,
        chat_id: int,
        *,
        model: str | Unchanged = UNCHANGED,
        system_prompt: str | Unchanged = UNCHANGED,
        sampling: SamplingParams | Unchanged | None = UNCHANGED,
        preset: Json | Unchanged | None = UNCHANGED,
        extras: Json | Unchanged = UNCHANGED,
        system_draft: str | Unchanged | None = UNCHANGED,
    ) -> None:
        """Change what is given and leave the rest.

        A system prompt and a preset are in use from now on; what was told before stays known.
        """
        values: dict[str, object] = {}
        if not isinstance(model, Unchanged):
            values["model"] = storable(model)
        if not isinstance(system_prompt, Unchanged):
            values["system_prompt"] = storable(system_prompt)
        if not isinstance(sampling, Unchanged):
            values["sampling"] = encode_sampling(sampling)
        if not isinstance(extras, Unchanged):
            values["extras"] = encode_object(extras)
        if not isinstance(system_draft, Unchanged):
            values["system_draft"] = None if system_draft is None else storable(system_draft)
        with self._database.write() as db:
            now = now_ms()
            self._set(db, chat_id, **values, opened_at=now)
            if not isinstance(system_prompt, Unchanged):
                remember_system_prompt(db, chat_id, system_prompt, now)
            if not isinstance(preset, Unchanged):
                remember_preset(db, chat_id, _encoded(preset), now)

    def rename(self, chat_id: int, title: str, *, by_person: bool = True) -> None:
        """Give a title; one by a rule (`by_person=False`) never replaces a person's."""
        text = " ".join(storable(title).split())[:MAX_TITLE]
        with self._database.write() as db:
            if by_person:
                # An empty title hands the naming back to the rule.
                self._set(db, chat_id, title=text, title_is_set=int(bool(text)))
            else:
                db.execute(
                    "UPDATE chats SET title = ? WHERE id = ? AND NOT title_is_set", (text, chat_id)
                )

    def save_draft(self, chat_id: int, draft: Draft) -> None:
        """Keep what is unsent; pictures are copied into the store.

        Raises:
            ImageError: a picture cannot be read.
        """
        images = self._pictures.keep_all(draft.images)
        with self._database.write() as db:
            self._set(db, chat_id, draft=storable(draft.text), opened_at=now_ms())
            db.execute("DELETE FROM draft_pictures WHERE chat_id = ?", (chat_id,))
            db.executemany(
                "INSERT INTO draft_pictures (chat_id, position, sha256) VALUES (?, ?, ?)",
                [(chat_id, position, image.sha256) for position, image in enumerate(images)],
            )

    def save_scroll(self, chat_id: int, scroll: float | None) -> None:
        """Keep where the transcript stands; None for its end."""
        with self._database.write() as db:
            self._set(db, chat_id, scroll=scroll, opened_at=now_ms())

    def touch(self, chat_id: int) -> None:
        """Say that the chat has been opened, so that `last` finds it."""
        with self._database.write() as db:
            self._set(db, chat_id, opened_at=now_ms())

    def archive(self, chat_id: int, *, archived: bool = True) -> None:
        """Put a chat away, or take it out again."""
        with self._database.write() as db:
            self._set(db, chat_id, archived_at=now_ms() if archived else None)

    def delete(self, chat_id: int) -> None:
        """Hide a chat until it is restored or purged."""
        with self._database.write() as db:
            self._set(db, chat_id, deleted_at=now_ms())

    def restore(self, chat_id: int) -> None:
        """Undo `delete`."""
        with self._database.write() as db:
            self._set(db, chat_id, deleted_at=None)

    def purge(self, chat_id: int) -> None:
        """Remove a chat, its messages and its drafts for good."""
        with self._database.write() as db:
            if not db.execute("DELETE FROM chats WHERE id = ?", (int64(chat_id),)).rowcount:
                raise unknown_chat(chat_id)

    def purge_deleted(self, *, before: datetime) -> int:
        """Remove for good the chats that were deleted before a time, and all empty ones.

        Returns:
            How many chats went.
        """
        moment = to_milliseconds(before)
        with self._database.write() as db:
            return db.execute(
                "DELETE FROM chats WHERE deleted_at < ? OR (opened_at < ? AND draft = ''"
                " AND NOT title_is_set AND system_draft IS NULL"
                " AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.chat_id = chats.id)"
                " AND NOT EXISTS (SELECT 1 FROM draft_pictures d WHERE d.chat_id = chats.id))",
                (moment, moment),
            ).rowcount

    # ------------------------------------------------------------ rows

    def _set(self, db: sqlite3.Connection, chat_id: int, **values: object) -> None:
        columns = ", ".join(f"{name} = ?" for name in values)
        cursor = db.execute(
            f"UPDATE chats SET {columns} WHERE id = ?", (*values.values(), int64(chat_id))
        )
        if not cursor.rowcount:
            raise unknown_chat(chat_id)


def _encoded(preset: Json | None) -> str | None:
    return None if preset is None else encode_object(preset)
