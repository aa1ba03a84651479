# SPDX-License-Identifier: Apache-2.0
"""The path that is shown, as rows that `yuren-train` learns from.

    {"conversations": [{"from": "system", "value"}, {"from": "human", "value"},
                       {"from": "gpt", "value"}, ...], "images": [relative paths]}

as YuRen writes it. `<image>` stands where the model sees the picture: before the words, with
nothing between. Texts are untouched, control strings too: the trainer keeps them ordinary. A
chat whose words hold `<image>` themselves is written as `{"messages": [{"role", "content":
parts}]}` instead, where no word can be taken for a picture.

A row has one system prompt, and all its answers are learned under it. So where what the model was
told first changed in mid-chat, another row begins: no answer is learned under words that it was not
told, and what was said before is not in the row, as where a context is full. A greeting stands in
no row: rows begin with a question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import dropwhile

from yuren_core.messages import Role
from yuren_core.training_format import IMAGE_TAG
from yuren_tui.store.transfer.records import MessageRecord
from yuren_tui.store.transfer.stretches import Stretch

_FROM = {Role.SYSTEM: "system", Role.USER: "human", Role.ASSISTANT: "gpt"}
_CUT = ("length", "stopped", "failed", "writing")


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One row, and what a person should know about it.

    Attributes:
        value: the row as a JSON object.
        cut_answers: how many answers do not end by themselves.
        has_parts: it had to be written as messages with parts.
        has_greeting: an answer to no question was left out.
    """

    value: dict[str, object]
    cut_answers: int
    has_parts: bool
    has_greeting: bool


def training_row(stretch: Stretch, picture_paths: Mapping[str, str]) -> TrainingRow | None:
    """A stretch of a chat's active path as a row.

    Args:
        stretch: what was said, and what the model was told first.
        picture_paths: for each picture's hash, its path relative to the file of rows.

    Returns:
        The row; None where no answer is in it, so that there is nothing to learn.
    """
    said = [message for message in stretch.messages if message.text or message.images]
    path = list(dropwhile(lambda message: message.role is Role.ASSISTANT, said))
    answers = [message for message in path if message.role is Role.ASSISTANT]
    if not answers:
        return None
    texts = [stretch.system, *(message.text for message in path)]
    has_parts = any(IMAGE_TAG in text for text in texts)
    write = _parts if has_parts else _conversations
    return TrainingRow(
        write(stretch.system, path, picture_paths),
        sum(message.status in _CUT for message in answers),
        has_parts,
        len(path) < len(said),
    )


def _conversations(
    system: str, path: list[MessageRecord], picture_paths: Mapping[str, str]
) -> dict[str, object]:
    turns = [{"from": "system", "value": system}] if system else []
    turns += [
        {
            "from": _FROM[message.role],
            "value": IMAGE_TAG * len(message.images) + message.text,
        }
        for message in path
    ]
    images = [picture_paths[sha256] for message in path for sha256 in message.images]
    return {"conversations": turns, **({"images": images} if images else {})}


def _parts(
    system: str, path: list[MessageRecord], picture_paths: Mapping[str, str]
) -> dict[str, object]:
    messages: list[dict[str, object]] = []
    if system:
        messages.append({"role": "system", "content": system})
    for message in path:
        parts: list[dict[str, object]] = [
            {"type": "image_url", "image_url": {"url": picture_paths[sha256]}}
            for sha256 in message.images
        ]
        if message.text:
            parts.append({"type": "text", "text": message.text})
        messages.append({"role": message.role.value, "content": parts})
    return {"messages": messages}
