# SPDX-License-Identifier: Apache-2.0
"""A chat outside the store: what every format is read into and written from.

A record is whole (its tree, and its pictures or the paths to them) and sound: a message's parent
stands before it, so there is no circle, and every picture that is shown is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from yuren_core.errors import StorageError
from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_tui.store.values import (
    Json,
    MessageStatus,
    PresetVersion,
    PromptVersion,
    storable,
)


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """A picture: its hash, what its file was called, and its bytes or where they are."""

    sha256: str
    name: str
    suffix: str = ".bin"
    data: bytes | None = field(default=None, repr=False)
    path: Path | None = None

    def read(self) -> bytes:
        """The bytes.

        Raises:
            StorageError: the file is gone from the store.
        """
        if self.data is not None:
            return self.data
        try:
            return (self.path or Path()).read_bytes()
        except OSError as error:
            raise StorageError(
                tr("store.export.unreadable_picture", name=self.name),
                tr("store.export.unreadable_remedy"),
            ) from error


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """A message; `parent` is the index of another in the same record, smaller than its own."""

    parent: int | None
    role: Role
    text: str
    created_at: datetime
    images: tuple[str, ...] = ()
    status: MessageStatus = "done"
    stats: Json = field(default_factory=dict)
    is_pinned: bool = False
    speaker: str = ""
    model: str = ""
    extras: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChatRecord:
    """A chat. `source` names it in the program that it comes from; `active` is an index.

    `prompt_uses` and `preset_uses` are the system prompts and presets that were in use, in order,
    the present one last; empty where there was never another than the present one.
    """

    messages: tuple[MessageRecord, ...]
    created_at: datetime
    updated_at: datetime
    uid: str = ""
    source: str = ""
    title: str = ""
    is_title_set: bool = False
    model: str = ""
    system_prompt: str = ""
    sampling: Json | None = None
    preset: Json | None = None
    prompt_uses: tuple[PromptVersion, ...] = ()
    preset_uses: tuple[PresetVersion, ...] = ()
    active: int | None = None
    is_archived: bool = False
    extras: Json = field(default_factory=dict)
    pictures: Mapping[str, PictureRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index, message in enumerate(self.messages):
            if message.parent is not None and not 0 <= message.parent < index:
                raise ValueError(tr("store.import.parent", index=index))
            if any(sha256 not in self.pictures for sha256 in message.images):
                raise ValueError(tr("store.import.picture_unknown", index=index))
        if self.active is not None and not 0 <= self.active < len(self.messages):
            raise ValueError(tr("store.import.parent", index=self.active))

    def active_path(self) -> tuple[MessageRecord, ...]:
        """The messages from the first to the active one."""
        path: list[MessageRecord] = []
        index = self.active
        while index is not None:
            path.append(self.messages[index])
            index = self.messages[index].parent
        return tuple(reversed(path))

    def signatures(self) -> tuple[str, ...]:
        """A hash for each message of what was said in it and before it: equal over machines."""
        return tuple(sign_tree((m.parent, m.role.value, m.text, m.images) for m in self.messages))


def sign_tree(
    messages: Iterator[tuple[int | None, str, str, Sequence[str]]],
) -> Iterator[str]:
    """Signatures of messages given as (parent's index, role, text, hashes of pictures)."""
    known: list[str] = []
    for parent, role, text, images in messages:
        above = "" if parent is None else known[parent]
        digest = hashlib.sha256()
        for piece in (above, role, text, *images):
            data = storable(piece).encode()
            digest.update(len(data).to_bytes(8, "big") + data)
        known.append(digest.hexdigest())
        yield known[-1]


def utc_from_seconds(value: object, fallback: datetime) -> datetime:
    """Seconds since 1970 as another program wrote them; the fallback where they are no time."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**33:
        moment = datetime.fromtimestamp(value, UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return fallback
