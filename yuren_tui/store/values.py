# SPDX-License-Identifier: Apache-2.0
"""What the store hands out and takes in: frozen values, no SQL.

Every text that comes out of the store is valid UTF-8: a lone surrogate, which no file and no
terminal can hold, is U+FFFD from the moment it is stored. All else, NUL and control strings
too, comes back exactly as it was given. Times are aware and in UTC, to the millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from yuren_core.messages import ImagePart, Message, Role
from yuren_core.sampling_params import SamplingParams

MessageStatus = Literal["writing", "done", "length", "stopped", "failed"]
"""As the session's `TurnStatus`; "writing" only while a living process writes it."""

Json = Mapping[str, Any]
"""A JSON object; what is not finite or not JSON is refused when it is stored."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def storable(text: str) -> str:
    """The text with U+FFFD for every lone surrogate; a pair of them becomes its character."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def from_milliseconds(value: int) -> datetime:
    """Milliseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(milliseconds=value)


def to_milliseconds(moment: datetime) -> int:
    """An aware time as milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Draft:
    """What has been typed and attached, and not been sent."""

    text: str = ""
    images: tuple[ImagePart, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.text or self.images)


@dataclass(frozen=True, slots=True)
class ChatSummary:
    """One line in the list of chats.

    Attributes:
        id: what people type after `--chat`; never given twice.
        title: empty while the chat has none.
        created_at: when it was begun.
        updated_at: when something was last said in it; the list's order.
        model: directory or hub id that answered last; may be empty.
        message_count: of the whole tree, deleted ones left out.
        is_archived: put away, found only when asked for.
        is_deleted: can be restored until it is purged.
        has_draft: there is something unsent.
    """

    id: int
    title: str
    created_at: datetime
    updated_at: datetime
    model: str
    message_count: int
    is_archived: bool
    is_deleted: bool
    has_draft: bool


@dataclass(frozen=True, slots=True)
class Chat:
    """One chat, all but its messages and its preset, which may be long.

    Attributes:
        id: as in `ChatSummary`.
        uid: names this chat over all machines; an export carries it.
        title: as in `ChatSummary`.
        is_title_set: a person gave the title, so that no rule may replace it.
        created_at: as in `ChatSummary`.
        updated_at: as in `ChatSummary`.
        model: as in `ChatSummary`.
        system_prompt: what the model is told first; may be empty.
        sampling: how answers are drawn; None for the defaults.
        active_leaf: the message that the next one is put after; None in an empty chat.
        draft: what is unsent.
        system_draft: an edit of the system prompt that is not saved; None for none.
        scroll: where the transcript stood, in a unit of the front end's; None for the end.
        is_archived: as in `ChatSummary`.
        is_deleted: as in `ChatSummary`.
        extras: whatever else a front end keeps with a chat.
    """

    id: int
    uid: str
    title: str
    is_title_set: bool
    created_at: datetime
    updated_at: datetime
    model: str
    system_prompt: str
    sampling: SamplingParams | None
    active_leaf: int | None
    draft: Draft
    system_draft: str | None
    scroll: float | None
    is_archived: bool
    is_deleted: bool
    extras: Json


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a tree.

    Attributes:
        id: never given twice; a child's is greater than its parent's.
        chat_id: whose it is.
        parent_id: what it answers or follows; None for a first message.
        role: who speaks.
        text: exactly what was written.
        images: pictures, in order; their paths lead into the store.
        status: how the writing of it ended.
        stats: counts of an answer; the session's `TurnStats` as an object.
        created_at: when it was begun.
        is_pinned: stays in the context when older ones are dropped.
        speaker: a name, in role play; may be empty.
        model: what wrote it; empty for a person's.
        sibling_index: 1 for the first of the alternatives at this place.
        sibling_count: how many alternatives there are, itself counted.
        extras: whatever else a front end keeps with a message.
    """

    id: int
    chat_id: int
    parent_id: int | None
    role: Role
    text: str
    images: tuple[ImagePart, ...]
    status: MessageStatus
    stats: Json
    created_at: datetime
    is_pinned: bool
    speaker: str
    model: str
    sibling_index: int
    sibling_count: int
    extras: Json = field(default_factory=dict)

    @property
    def message(self) -> Message:
        """The message as the model is told it."""
        return Message.of(self.role, self.text, self.images)


@dataclass(frozen=True, slots=True)
class Deletion:
    """A subtree that has been deleted: what `Messages.undo` needs to bring it back.

    Attributes:
        chat_id: whose it was.
        message_id: the subtree's root.
        message_count: how many messages went with it.
        previous_leaf: the chat's active leaf before.
    """

    chat_id: int
    message_id: int
    message_count: int
    previous_leaf: int | None


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """One version of a chat's system prompt, and when it was put into use."""

    text: str
    used_at: datetime


@dataclass(frozen=True, slots=True)
class PresetVersion:
    """A preset as it was when it was taken, None for nobody in particular, and when that was."""

    preset: Json | None
    used_at: datetime


@dataclass(frozen=True, slots=True)
class RecentModel:
    """A model that has been chosen before, and how it was loaded."""

    model: str
    load: str
    device: str
    used_at: datetime
