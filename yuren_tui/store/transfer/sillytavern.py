# SPDX-License-Identifier: Apache-2.0
"""One chat of SillyTavern: a JSONL file, a header line and then a line for each message.

The header names `user_name` and `character_name`; a message has `name`, `is_user`, `mes`,
`send_date`, and where it was written more than once `swipes` and `swipe_id`. Swipes become
siblings, and the conversation goes on below the one that was shown. Messages with `is_system`
were hidden from the model there; they are left out and counted. A line that cannot be read is a
fault of its own; the others are imported.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from yuren_core.messages import Role
from yuren_tui.store.transfer.reading import Fields, Limits, parse_json
from yuren_tui.store.transfer.records import ChatRecord, MessageRecord, utc_from_seconds
from yuren_tui.store.values import storable

_PARTS = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})\s*@\s*(\d{1,2})h\s*(\d{1,2})m\s*(\d{1,2})s")
_NO_NAME = "unused"  # what newer versions write into the header in the place of both names
_LONG = ("%B %d, %Y %I:%M%p", "%B %d, %Y %I:%M %p")


@dataclass(frozen=True, slots=True)
class LineFault:
    """A line that is left out, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A chat, the lines that could not be read, and how many messages were hidden."""

    record: ChatRecord
    faults: tuple[LineFault, ...]
    hidden_count: int


def is_header(value: object) -> bool:
    """Whether a first line is that of a chat."""
    keys = ("user_name", "character_name", "chat_metadata")
    return isinstance(value, dict) and any(key in value for key in keys)


def is_message(value: object) -> bool:
    """Whether a line is a message; very old chats have no header."""
    return isinstance(value, dict) and "mes" in value and "is_user" in value


def parse(lines: Sequence[str], limits: Limits, *, name: str) -> Parsed:
    """One chat.

    Args:
        lines: of the file.
        limits: what is too large.
        name: of the file, a title where no character is named.

    Raises:
        ValueError: no message is in it, or it is out of bounds.
    """
    header: dict[str, Any] = {}
    messages: list[MessageRecord] = []
    faults: list[LineFault] = []
    hidden = 0
    shown: int | None = None
    moment = datetime.now(UTC)
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            value = parse_json(text)
            if line == 1 and is_header(value) and not is_message(value):
                header = value
                moment = _date(value.get("create_date"), moment)
                continue
            fields = Fields.of(value)
            if fields.flag("is_system"):
                hidden += 1
                continue
            moment = _date(value.get("send_date"), moment)
            versions, chosen = _swipes(fields, value)
            siblings = list(_messages(fields, versions, shown, moment))
        except ValueError as error:
            faults.append(LineFault(line, str(error)))
            continue
        shown = len(messages) + chosen
        messages += siblings
    limits.check([message.text for message in messages])
    character = _name(header, "character_name", messages, Role.ASSISTANT) or name
    return Parsed(
        ChatRecord(
            messages=tuple(messages),
            created_at=messages[0].created_at,
            updated_at=max(message.created_at for message in messages),
            source=f"sillytavern:{_identity(header, messages[0])}",
            title=character,
            active=shown,
            extras={
                "imported_from": "sillytavern",
                "user_name": _name(header, "user_name", messages, Role.USER),
                "character_name": character,
            },
        ),
        tuple(faults),
        hidden,
    )


def _messages(
    fields: Fields, versions: Sequence[str], parent: int | None, moment: datetime
) -> Iterator[MessageRecord]:
    for text in versions:
        yield MessageRecord(
            parent=parent,
            role=Role.USER if fields.flag("is_user") else Role.ASSISTANT,
            text=text,
            created_at=moment,
            speaker=fields.text("name"),
        )


def _swipes(fields: Fields, value: dict[str, Any]) -> tuple[list[str], int]:
    """All versions of a message, and which was shown: always with the words of `mes`."""
    text = fields.text("mes")
    versions = [Fields({"swipe": swipe}).text("swipe") for swipe in fields.array("swipes")]
    if not versions:
        return [text], 0
    chosen = value.get("swipe_id")
    if isinstance(chosen, int) and not isinstance(chosen, bool) and 0 <= chosen < len(versions):
        versions[chosen] = text
        return versions, chosen
    if text not in versions:
        versions.append(text)
    return versions, versions.index(text)


def _identity(header: dict[str, Any], first: MessageRecord) -> str:
    pieces = [str(header.get(key)) for key in ("user_name", "character_name", "create_date")]
    return hashlib.sha256("\0".join([*pieces, first.text]).encode("utf-8", "replace")).hexdigest()


def _name(header: dict[str, Any], key: str, messages: Sequence[MessageRecord], role: Role) -> str:
    """Who talks, as the header says it or else the first message of theirs."""
    said = header.get(key)
    if isinstance(said, str) and said.strip() and said != _NO_NAME:
        return storable(said)
    return next((one.speaker for one in messages if one.role is role and one.speaker), "")


def _date(value: object, before: datetime) -> datetime:
    """A time in any of the ways that were ever written; just after the one before otherwise."""
    fallback = before + timedelta(milliseconds=1)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return utc_from_seconds(value / 1000, fallback)
    text = value.strip() if isinstance(value, str) else ""
    if text.isascii() and text.isdigit() and len(text) < 15:
        return utc_from_seconds(int(text) / 1000, fallback)
    try:
        if match := _PARTS.match(text):
            year, month, day, hour, minute, second = map(int, match.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        for form in _LONG:
            if re.match(r"[A-Za-z]+ \d", text):
                try:
                    return datetime.strptime(text, form).replace(tzinfo=UTC)
                except ValueError:
                    continue
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        moment = moment.astimezone(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    except (ValueError, OverflowError):
        return fallback
