# SPDX-License-Identifier: Apache-2.0
"""The path that is shown, as a row that `yuren-train` learns from.

    {"conversations": [{"from": "system", "value"}, {"from": "human", "value"},
                       {"from": "gpt", "value"}, ...], "images": [relative paths]}

as YuRen writes it. `<image>` stands where the model sees the picture: before the words, with
nothing between. Texts are untouched, control strings too: the trainer keeps them ordinary. A
chat whose words hold `<image>` themselves is written as `{"messages": [{"role", "content":
parts}]}` instead, where no word can be taken for a picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from yuren_core.messages import Role
from yuren_tui.store.transfer.records import ChatRecord, MessageRecord

PLACEHOLDER = "<image>"

_FROM = {Role.SYSTEM: "system", Role.USER: "human", Role.ASSISTANT: "gpt"}
_CUT = ("length", "stopped", "failed", "writing")


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One row, and what a person should know about it.

    Attributes:
        value: the row as a JSON object.
        cut_answers: how many answers do not end by themselves.
        has_parts: it had to be written as messages with parts.
    """

    value: dict[str, object]
    cut_answers: int
    has_parts: bool


def training_row(record: ChatRecord, picture_paths: Mapping[str, str]) -> TrainingRow | None:
    """A chat's active path as a row.

    Args:
        record: the chat.
        picture_paths: for each picture's hash, its path relative to the file of rows.

    Returns:
        The row; None where no answer is in it, so that there is nothing to learn.
    """
    path = [message for message in record.active_path() if message.text or message.images]
    answers = [message for message in path if message.role is Role.ASSISTANT]
    if not answers:
        return None
    texts = [record.system_prompt, *(message.text for message in path)]
    has_parts = any(PLACEHOLDER in text for text in texts)
    write = _parts if has_parts else _conversations
    return TrainingRow(
        write(record, path, picture_paths),
        sum(message.status in _CUT for message in answers),
        has_parts,
    )


def _conversations(
    record: ChatRecord, path: list[MessageRecord], picture_paths: Mapping[str, str]
) -> dict[str, object]:
    turns = [{"from": "system", "value": record.system_prompt}] if record.system_prompt else []
    turns += [
        {
            "from": _FROM[message.role],
            "value": PLACEHOLDER * len(message.images) + message.text,
        }
        for message in path
    ]
    images = [picture_paths[sha256] for message in path for sha256 in message.images]
    return {"conversations": turns, **({"images": images} if images else {})}


def _parts(
    record: ChatRecord, path: list[MessageRecord], picture_paths: Mapping[str, str]
) -> dict[str, object]:
    messages: list[dict[str, object]] = []
    if record.system_prompt:
        messages.append({"role": "system", "content": record.system_prompt})
    for message in path:
        parts: list[dict[str, object]] = [
            {"type": "image_url", "image_url": {"url": picture_paths[sha256]}}
            for sha256 in message.images
        ]
        if message.text:
            parts.append({"type": "text", "text": message.text})
        messages.append({"role": message.role.value, "content": parts})
    return {"messages": messages}
