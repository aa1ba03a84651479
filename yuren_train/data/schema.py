# SPDX-License-Identifier: Apache-2.0
"""What a row of training data is, and what is wrong with one that is none.

Four shapes are read: ShareGPT as YuRen writes it (`conversations` of `from` and `value`), LLaVA
(the same with `image` or `images`, and `<image>` in the text), OpenAI (`messages` of `role` and
`content`, a string or parts) and Alpaca (`instruction`, `input`, `output`, and as LLaMA-Factory
has them `system` and `history`). A conversation may begin with one system prompt; then
a question comes before an answer, and somewhere there is an answer. Nothing is mended in
silence: what cannot be learned from as it stands is a `Fault`, which names the place, the value
and the remedy. Only halves of characters (lone surrogates), which no file can hold, become
U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yuren_core.i18n import tr
from yuren_core.messages import ImagePart, Message, Part, Role, TextPart
from yuren_core.training_format import COMMENT, IMAGE_TAG, OPENAI, ROLES, SHAPES
from yuren_train.data.alpaca import INSTRUCTION, alpaca_turns
from yuren_train.data.faults import Fault, Place, Wrong, shortened
from yuren_train.data.pictures import parts_around, picture_of

__all__ = ["Fault", "Place", "Row", "parse_row"]

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation that can be learned from. Its pictures are not opened: no sha256 yet."""

    messages: tuple[Message, ...]
    place: Place


def parse_row(raw: object, place: Place, images_dir: Path | None = None) -> Row | Fault | None:
    """Understand one raw row.

    Args:
        raw: what `sources.read_rows` gave; a Fault is handed through.
        place: where it stands.
        images_dir: what relative paths of pictures are relative to; None is the file's own
            directory.

    Returns:
        The conversation, what is wrong with it, or None for a comment.
    """
    if isinstance(raw, Fault):
        return raw
    if isinstance(raw, Mapping) and _present(raw) == [COMMENT]:
        return None
    try:
        return Row(_messages(raw, images_dir or place.file.parent), place)
    except Wrong as wrong:
        return Fault(place, wrong.code, wrong.value)


def _present(raw: Mapping[object, object]) -> list[object]:
    return [key for key, value in raw.items() if value is not None]


def _messages(raw: object, base: Path) -> tuple[Message, ...]:
    if not isinstance(raw, Mapping):
        raise Wrong("not_object", shortened(raw))
    shape = next((shape for shape in SHAPES if raw.get(shape[0]) is not None), None)
    if shape is None and raw.get(INSTRUCTION) is not None:
        raw, shape = {**raw, OPENAI[0]: alpaca_turns(raw)}, OPENAI
    if shape is None:
        raise Wrong("no_conversation", shortened(", ".join(map(str, raw))))
    key, role_key, text_key = shape
    turns = raw[key]
    if not isinstance(turns, list):
        raise Wrong("not_turns", shortened(turns))
    pictures = [picture_of(value, base) for value in _pictures_beside(raw)]
    waiting = list(pictures)
    messages = []
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, Mapping):
            raise Wrong("not_turns", shortened(turn))
        role = ROLES.get(str(turn.get(role_key)))
        if role is None:
            raise Wrong("unknown_role", shortened(turn.get(role_key)))
        parts = _parts(turn.get(text_key), role, base, waiting if pictures else None)
        if not parts:
            raise Wrong("empty", tr("data.turn", number=number, role=turn[role_key]))
        messages.append(Message(role, tuple(parts)))
    if waiting:
        raise Wrong("image_count", f"{len(pictures)}, {len(pictures) - len(waiting)} {IMAGE_TAG}")
    _require_order(messages)
    return tuple(messages)


def _pictures_beside(raw: Mapping[object, object]) -> list[object]:
    """LLaVA's pictures: those of `image` and `images`, one or a list."""
    found: list[object] = []
    for value in (raw.get("image"), raw.get("images")):
        found += value if isinstance(value, list) else [] if value is None else [value]
    return found


def _parts(content: object, role: Role, base: Path, waiting: list[ImagePart] | None) -> list[Part]:
    """A turn's parts; takes from `waiting` what `<image>` stands for; None: it is only text."""
    parts: list[Part] = []
    pieces: list[Any] = content if isinstance(content, list) else [content]
    for piece in pieces:
        match piece:
            case str() | {"type": "text", "text": str()}:
                text = piece if isinstance(piece, str) else str(piece["text"])
                clean = _SURROGATE.sub("\ufffd", text)
                if waiting is not None and role is Role.USER:
                    parts += parts_around(clean, waiting)
                else:
                    parts.append(TextPart(clean))
            case {"type": "image"} if waiting and not piece.get("image"):
                parts.append(waiting.pop(0))
            case {"type": "image_url" | "image" as kind}:
                parts.append(picture_of(piece.get(kind), base))
            case _:
                raise Wrong("not_text", shortened(piece))
    if role is not Role.USER and any(isinstance(part, ImagePart) for part in parts):
        raise Wrong("image_place", role.value)
    has_words = any(part.text.strip() for part in parts if isinstance(part, TextPart))
    if not has_words and not any(isinstance(part, ImagePart) for part in parts):
        return []
    return [part for part in parts if not (isinstance(part, TextPart) and not part.text)]


def _require_order(messages: list[Message]) -> None:
    roles = [message.role for message in messages]
    if roles.count(Role.SYSTEM) > 1:
        raise Wrong("second_system", str(roles.count(Role.SYSTEM)))
    if Role.SYSTEM in roles[1:]:
        raise Wrong("late_system", shortened(messages[roles.index(Role.SYSTEM, 1)].text))
    if Role.ASSISTANT not in roles:
        raise Wrong("no_answer", shortened(messages[-1].text) if messages else "[]")
    if next(role for role in roles if role is not Role.SYSTEM) is Role.ASSISTANT:
        raise Wrong("answer_first", shortened(messages[roles.index(Role.ASSISTANT)].text))
