# SPDX-License-Identifier: Apache-2.0
"""Chats out of rows for training: ShareGPT, LLaVA and OpenAI, as the trainer reads them.

    {"conversations": [{"from", "value"}, ...], "images": [paths]}
    {"messages": [{"role", "content": string or parts}, ...]}

A system prompt at the head becomes the chat's; one further below stays a message. `<image>` stands
for the next of the row's pictures. A picture is taken in where it lies beside the rows or below,
and never from elsewhere: a file that somebody sent must not choose what is read here; a note stands
for any other. The same row is the same chat, so it is not put in twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_core.training_format import COMMENT, IMAGE_TAG, ROLES, SHAPES
from yuren_tui.store.pictures import MAX_BYTES, suffix_of
from yuren_tui.store.titles import title_from
from yuren_tui.store.transfer.reading import Fields, Item, Limits, kind_of, parse_json
from yuren_tui.store.transfer.records import ChatRecord, MessageRecord, PictureRecord
from yuren_tui.store.values import storable


def is_row(value: object) -> bool:
    """Whether a JSON value is a row for training, or a comment among such."""
    return isinstance(value, dict) and (
        is_comment(value) or any(isinstance(value.get(key), list) for key, _, _ in SHAPES)
    )


def is_comment(value: object) -> bool:
    """Whether a row says something to people and holds no chat."""
    return isinstance(value, dict) and list(value) == [COMMENT]


def items_of_lines(text: str) -> Iterator[Item]:
    """The values of JSON Lines; a line that is none is a fault, and the next are read."""
    row = 0
    # Not splitlines: U+2028 may stand in a JSON string.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        row += 1
        try:
            yield Item(row, number, parse_json(line))
        except ValueError as error:
            yield Item(row, number, fault=str(error))


def parse(value: Mapping[str, Any], limits: Limits, base: Path) -> ChatRecord:
    """One row as a chat.

    Args:
        value: the row.
        limits: what is too large.
        base: the directory of its file.

    Raises:
        ValueError: what is wrong with it, in words.
    """
    row = Fields(value)
    key, role_key, text_key = next(s for s in SHAPES if isinstance(value.get(s[0]), list))
    waiting = [found for name in ("image", "images") for found in _listed(value.get(name))]
    has_places = bool(waiting)
    now, system = datetime.now(UTC), ""
    messages: list[MessageRecord] = []
    pictures: dict[str, PictureRecord] = {}
    for number, turn in enumerate(map(Fields.of, row.array(key)), 1):
        name = turn.one_of(role_key, tuple(ROLES))
        texts, sources = _parts(turn.raw(text_key), text_key)
        text = "\n".join(texts)
        if has_places and ROLES[name] is Role.USER:
            places = min(text.count(IMAGE_TAG), len(waiting))
            text = text.replace(IMAGE_TAG, "", places)
            sources += [waiting.pop(0) for _ in range(places)]
        found = [_picture(source, base) for source in sources]
        kept = [picture for picture in found if picture is not None]
        if sources:
            notes = [_note()] * (len(found) - len(kept))
            text = "\n".join(filter(None, [*notes, text.strip("\n")]))
        if number == 1 and ROLES[name] is Role.SYSTEM:
            system = text
            continue
        pictures |= {picture.sha256: picture for picture in kept}
        messages.append(
            MessageRecord(
                parent=len(messages) - 1 if messages else None,
                role=ROLES[name],
                text=text,
                created_at=now,
                images=tuple(picture.sha256 for picture in kept),
            )
        )
    limits.check([message.text for message in messages])
    written = json.dumps(value, ensure_ascii=True, sort_keys=True)
    return ChatRecord(
        messages=tuple(messages),
        created_at=now,
        updated_at=now,
        source=f"training:{hashlib.sha256(written.encode()).hexdigest()}",
        title=title_from(_first(messages, Role.USER), _first(messages, Role.ASSISTANT)),
        system_prompt=system,
        active=len(messages) - 1,
        extras={"imported_from": "training"},
        pictures=pictures,
    )


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _parts(content: object, key: str) -> tuple[list[str], list[object]]:
    """The texts of a turn, and where its pictures are."""
    texts: list[str] = []
    pictures: list[object] = []
    for part in _listed(content):
        match part:
            case str():
                texts.append(storable(part))
            case {"type": "text", "text": str() as text}:
                texts.append(storable(text))
            case {"type": "image_url", "image_url": {"url": source}}:
                pictures.append(source)
            case {"type": "image_url", "image_url": source} | {"type": "image", "image": source}:
                pictures.append(source)
            case _:
                raise ValueError(
                    tr("store.import.wrong", name=key, found=kind_of(part), wanted="string")
                )
    return texts, pictures


def _picture(source: object, base: Path) -> PictureRecord | None:
    """A picture that lies beside the rows or below; None for any other."""
    if not isinstance(source, str) or not source or Path(source).is_absolute() or "\0" in source:
        return None
    try:
        root = base.resolve()
        path = (root / source).resolve()
        if not path.is_relative_to(root) or path.stat().st_size > MAX_BYTES or not path.is_file():
            return None
        data = path.read_bytes()
    except OSError:
        return None
    if suffix_of(data) == ".bin":
        return None
    sha256 = hashlib.sha256(data).hexdigest()
    return PictureRecord(sha256, storable(path.name), suffix_of(data), data)


def _note() -> str:
    return tr("store.import.media", kind=tr("store.import.media_picture"))


def _first(messages: list[MessageRecord], role: Role) -> str:
    return next((message.text for message in messages if message.role is role), "")
