# SPDX-License-Identifier: Apache-2.0
"""Between the store and records: a chat read whole, a record put in whole.

A record goes in as one transaction: an import that is killed leaves whole chats. A chat that is
there already is recognised by where it comes from and by what was said: it is a copy where every
message of the record is in it, whatever has been said or renamed here since.
"""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path

from yuren_core.messages import ImagePart
from yuren_tui.store.chats import MAX_TITLE
from yuren_tui.store.encoding import decode_object, encode_object
from yuren_tui.store.instructions import put_in_use
from yuren_tui.store.pictures import refer
from yuren_tui.store.store import Store
from yuren_tui.store.transfer.records import (
    ChatRecord,
    MessageRecord,
    PictureRecord,
    sign_tree,
)
from yuren_tui.store.values import (
    Json,
    PresetVersion,
    PromptVersion,
    storable,
    to_milliseconds,
)


def read_record(store: Store, chat_id: int) -> ChatRecord:
    """A chat with its whole live tree; draft and scroll place stay at home.

    Raises:
        UsageError: there is no such chat.
        StorageError: it cannot be read.
    """
    chat = store.chats.get(chat_id)
    tree = store.messages.tree(chat_id)
    index = {message.id: place for place, message in enumerate(tree)}
    images = {image.sha256: image for message in tree for image in message.images}
    row = store.database.rows("SELECT sampling, source FROM chats WHERE id = ?", (chat_id,))[0]
    prompts = store.chats.system_prompt_uses(chat_id)
    presets = [
        PresetVersion(_without_paths(use.preset), use.used_at)
        for use in store.chats.presets(chat_id)
    ]
    return ChatRecord(
        messages=tuple(
            MessageRecord(
                parent=None if message.parent_id is None else index[message.parent_id],
                role=message.role,
                text=message.text,
                created_at=message.created_at,
                images=tuple(image.sha256 for image in message.images),
                # Another machine cannot go on writing it.
                status="stopped" if message.status == "writing" else message.status,
                stats=message.stats,
                is_pinned=message.is_pinned,
                speaker=message.speaker,
                model=message.model,
                extras=message.extras,
            )
            for message in tree
        ),
        created_at=chat.created_at,
        updated_at=chat.updated_at,
        uid=chat.uid,
        source=row["source"],
        title=chat.title,
        is_title_set=chat.is_title_set,
        model=chat.model,
        system_prompt=chat.system_prompt,
        sampling=None if row["sampling"] is None else decode_object(row["sampling"]),
        preset=presets[-1].preset if presets else None,
        prompt_uses=tuple(prompts) if len(prompts) > 1 else (),
        preset_uses=tuple(presets) if len(presets) > 1 else (),
        active=None if chat.active_leaf is None else index[chat.active_leaf],
        is_archived=chat.is_archived,
        extras=chat.extras,
        pictures={sha256: _picture(store, image) for sha256, image in images.items()},
    )


def _without_paths(preset: Json | None) -> Json | None:
    """A chat's preset without the path of its picture: no file of another machine's is meant, and
    no chat from elsewhere says which file of this one is opened."""
    return preset and {key: value for key, value in preset.items() if key != "avatar"}


def _picture(store: Store, image: ImagePart) -> PictureRecord:
    path = Path(image.path)
    return PictureRecord(image.sha256, store.pictures.name_of(image.sha256), path.suffix, path=path)


def insert_record(store: Store, record: ChatRecord) -> int:
    """Put a chat into the store.

    Returns:
        Its id. It keeps its uid unless another chat has it.

    Raises:
        StorageError: it cannot be written; then nothing of it is there.
    """
    kept = {
        sha256: store.pictures.keep_bytes(picture.read(), name=picture.name)
        for sha256, picture in record.pictures.items()
    }
    with store.database.write(durable=True) as db:
        chat_id = _insert_chat(db, record)
        ids: list[int] = []
        for message in record.messages:
            ids.append(
                _insert_message(
                    db, chat_id, message, None if message.parent is None else ids[message.parent]
                )
            )
            refer(db, ids[-1], (kept[sha256] for sha256 in message.images))
        leaf = _leaf_below(record)
        db.execute(
            "UPDATE chats SET active_leaf = ? WHERE id = ?",
            (None if leaf is None else ids[leaf], chat_id),
        )
        presets = record.preset_uses or (PresetVersion(record.preset, record.created_at),)
        put_in_use(
            db,
            chat_id,
            record.prompt_uses or (PromptVersion(record.system_prompt, record.created_at),),
            [(_encoded(use.preset), to_milliseconds(use.used_at)) for use in presets],
        )
    return chat_id


def find_copy(store: Store, record: ChatRecord) -> int | None:
    """A chat, not deleted, that holds all of a record already; None where there is none."""
    rows = store.database.rows(
        "SELECT id FROM chats WHERE deleted_at IS NULL"
        " AND ((uid = ? AND uid <> '') OR (source = ? AND source <> ''))",
        (record.uid, record.source),
    )
    wanted = set(record.signatures())
    for row in rows:
        tree = store.messages.tree(row["id"])
        index = {message.id: place for place, message in enumerate(tree)}
        there = sign_tree(
            (
                None if message.parent_id is None else index[message.parent_id],
                message.role.value,
                message.text,
                [image.sha256 for image in message.images],
            )
            for message in tree
        )
        if wanted <= set(there):
            return int(row["id"])
    return None


def _encoded(preset: Json | None) -> str | None:
    return None if preset is None else encode_object(_without_paths(preset) or {})


def _insert_chat(db: sqlite3.Connection, record: ChatRecord) -> int:
    taken = db.execute("SELECT 1 FROM chats WHERE uid = ?", (record.uid,)).fetchone()
    uid = record.uid if record.uid and not taken else str(uuid.uuid4())
    created, updated = to_milliseconds(record.created_at), to_milliseconds(record.updated_at)
    chat_id = db.execute(
        "INSERT INTO chats (uid, title, title_is_set, created_at, updated_at, opened_at, model,"
        " system_prompt, sampling, archived_at, source, extras)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(uid, storable(record.title)[:MAX_TITLE], int(record.is_title_set)),
            *(created, updated, updated, storable(record.model), storable(record.system_prompt)),
            None if record.sampling is None else encode_object(record.sampling),
            updated if record.is_archived else None,
            storable(record.source),
            encode_object(record.extras),
        ),
    ).lastrowid
    assert chat_id is not None
    return chat_id


def _insert_message(
    db: sqlite3.Connection, chat_id: int, message: MessageRecord, parent_id: int | None
) -> int:
    message_id = db.execute(
        "INSERT INTO messages (chat_id, parent_id, role, text, status, stats, created_at,"
        " is_pinned, speaker, model, extras) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(chat_id, parent_id, message.role.value, storable(message.text), message.status),
            *(encode_object(message.stats), to_milliseconds(message.created_at)),
            *(int(message.is_pinned), storable(message.speaker), storable(message.model)),
            encode_object(message.extras),
        ),
    ).lastrowid
    assert message_id is not None
    return message_id


def _leaf_below(record: ChatRecord) -> int | None:
    """The active message, or the newest leaf below it; the newest of all where none is named."""
    if not record.messages:
        return None
    if record.active is None:
        return len(record.messages) - 1
    below = {record.active}
    for index, message in enumerate(record.messages):
        if message.parent in below:
            below.add(index)
    return max(below)
