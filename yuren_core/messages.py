# SPDX-License-Identifier: Apache-2.0
"""Conversations as values: roles, parts, messages. No behaviour of UI or torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class TextPart:
    """Words, exactly as written; never parsed for control tokens."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture file. `sha256` is the hex digest of its bytes; it identifies the picture."""

    path: str
    sha256: str


Part = TextPart | ImagePart


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation: who, and what in which order."""

    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, role: Role, text: str, images: Iterable[ImagePart] = ()) -> Message:
        """A message with its pictures first and its text after them.

        Args:
            role: who speaks.
            text: the words; an empty text makes no part where there are pictures.
            images: pictures, in order.

        Returns:
            The message; without text and pictures, one empty text part.
        """
        parts: list[Part] = list(images)
        if text or not parts:
            parts.append(TextPart(text))
        return cls(role, tuple(parts))

    @property
    def text(self) -> str:
        """All text parts joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[ImagePart, ...]:
        """All pictures, in order."""
        return tuple(part for part in self.parts if isinstance(part, ImagePart))
