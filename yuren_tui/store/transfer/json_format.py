# SPDX-License-Identifier: Apache-2.0
"""Our own JSON: chats with everything, so that export and import are a round trip.

    {"format": "yuren-chats", "version": 1, "exported_at": ..., "chats": [{
        "uid", "source", "title", "is_title_set", "created_at", "updated_at", "model",
        "system_prompt", "sampling", "preset", "is_archived", "extras",
        "prompt_uses": [{"text", "used_at"}], "preset_uses": [{"preset", "used_at"}],
        "active": index of a message or null,
        "messages": [{"parent": index or null, "role", "text", "created_at", "images": [sha256],
                      "status", "stats", "is_pinned", "speaker", "model", "extras"}],
        "pictures": {sha256: {"name", "suffix", "data": base64}}}]}

Pictures are inside, as base64: one file is the whole chat, and nothing can be left behind when
it is sent on. Times are ISO 8601 in UTC. A key that is absent has its default, an unknown key is
ignored; a value of the wrong kind is a fault that names the key. What was in use earlier is told
only where it changed, the present one last.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast, get_args

from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_tui.store.transfer.reading import Fields, Limits
from yuren_tui.store.transfer.records import ChatRecord, MessageRecord, PictureRecord
from yuren_tui.store.values import MessageStatus, PresetVersion, PromptVersion

FORMAT = "yuren-chats"
VERSION = 1

HEAD = re.compile(
    r'\s*\{\s*"format"\s*:\s*"yuren-chats"\s*,\s*"version"\s*:\s*(?P<version>\d{1,9})\s*,'
    r'[^\[\]{}]*"chats"\s*:\s*\['
)
"""The beginning of a file as `dump` writes it, up to the bracket of its chats."""

_DEFAULTS: Mapping[str, object] = {
    "images": [],
    "status": "done",
    "stats": {},
    "is_pinned": False,
    "speaker": "",
    "model": "",
    "extras": {},
}


def dump(records: Iterable[ChatRecord], *, exported_at: datetime) -> str:
    """Chats as JSON text.

    Raises:
        StorageError: a picture is missing from the store.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "exported_at": _written(exported_at),
        "chats": [_chat(record) for record in records],
    }
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def parse(value: Mapping[str, Any], limits: Limits) -> ChatRecord:
    """A chat from one object of `chats`.

    Raises:
        ValueError: what is wrong with it, in words.
    """
    chat = Fields(value)
    now = datetime.now(UTC)
    messages = [Fields.of(item) for item in chat.array("messages")]
    limits.check([message.text("text") for message in messages])
    created = _read(chat, "created_at", now)
    return ChatRecord(
        messages=tuple(_message_record(message, created) for message in messages),
        created_at=created,
        updated_at=_read(chat, "updated_at", created),
        uid=chat.text("uid"),
        source=chat.text("source"),
        title=chat.text("title"),
        is_title_set=chat.flag("is_title_set"),
        model=chat.text("model"),
        system_prompt=chat.text("system_prompt"),
        sampling=chat.mapping_or_none("sampling"),
        preset=chat.mapping_or_none("preset"),
        active=chat.index_or_none("active"),
        prompt_uses=tuple(
            PromptVersion(use.text("text"), _read(use, "used_at", created))
            for use in map(Fields.of, chat.array("prompt_uses"))
        ),
        preset_uses=tuple(
            PresetVersion(use.mapping_or_none("preset"), _read(use, "used_at", created))
            for use in map(Fields.of, chat.array("preset_uses"))
        ),
        is_archived=chat.flag("is_archived"),
        extras=chat.mapping("extras"),
        pictures=_pictures(chat.mapping("pictures")),
    )


def _chat(record: ChatRecord) -> dict[str, object]:
    uses: dict[str, object] = {}
    if record.prompt_uses:
        uses["prompt_uses"] = [
            {"text": use.text, "used_at": _written(use.used_at)} for use in record.prompt_uses
        ]
    if record.preset_uses:
        uses["preset_uses"] = [
            {"preset": use.preset, "used_at": _written(use.used_at)} for use in record.preset_uses
        ]
    return {
        "uid": record.uid,
        "source": record.source,
        "title": record.title,
        "is_title_set": record.is_title_set,
        "created_at": _written(record.created_at),
        "updated_at": _written(record.updated_at),
        "model": record.model,
        "system_prompt": record.system_prompt,
        "sampling": record.sampling,
        "preset": record.preset,
        **uses,
        "is_archived": record.is_archived,
        "extras": record.extras,
        "active": record.active,
        "messages": [_message(message) for message in record.messages],
        "pictures": {
            sha256: {
                "name": picture.name,
                "suffix": picture.suffix,
                "data": base64.b64encode(picture.read()).decode("ascii"),
            }
            for sha256, picture in record.pictures.items()
        },
    }


def _message(message: MessageRecord) -> dict[str, object]:
    values = {
        "parent": message.parent,
        "role": message.role.value,
        "text": message.text,
        "created_at": _written(message.created_at),
        "images": list(message.images),
        "status": message.status,
        "stats": message.stats,
        "is_pinned": message.is_pinned,
        "speaker": message.speaker,
        "model": message.model,
        "extras": message.extras,
    }
    return {name: value for name, value in values.items() if _DEFAULTS.get(name) != value}


def _message_record(message: Fields, chat_created: datetime) -> MessageRecord:
    return MessageRecord(
        parent=message.index_or_none("parent"),
        role=Role(message.one_of("role", tuple(role.value for role in Role))),
        text=message.text("text"),
        created_at=_read(message, "created_at", chat_created),
        images=tuple(str(item) for item in message.array("images")),
        status=cast(
            "MessageStatus",
            message.one_of("status", ("done", *get_args(MessageStatus)[2:]), "done"),
        ),
        stats=message.mapping("stats"),
        is_pinned=message.flag("is_pinned"),
        speaker=message.text("speaker"),
        model=message.text("model"),
        extras=message.mapping("extras"),
    )


def _pictures(value: Mapping[str, Any]) -> dict[str, PictureRecord]:
    pictures = {}
    for index, (sha256, item) in enumerate(value.items(), 1):
        picture = Fields.of(item)
        try:
            data = base64.b64decode(picture.text("data"), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(tr("store.import.picture_data", index=index)) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError(tr("store.import.picture_hash", index=index))
        pictures[sha256] = PictureRecord(
            sha256, picture.text("name"), picture.text("suffix") or ".bin", data
        )
    return pictures


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read(fields: Fields, key: str, fallback: datetime) -> datetime:
    text = fields.text(key)
    if not text:
        return fallback
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            tr("store.import.wrong", name=key, found=json.dumps(text[:60]), wanted="ISO 8601")
        ) from error
