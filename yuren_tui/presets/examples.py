# SPDX-License-Identifier: Apache-2.0
"""Example dialogue, from text to messages.

Blocks begin with `<START>`. In a block, a line that begins with the person's or the character's
name and a colon begins a message; other lines go on with it. What stands in a block before the
first name belongs to the character. Macros are expanded before.
"""

from __future__ import annotations

import re

from yuren_core.messages import Message, Role

_START = re.compile(r"^[ \t]*<START>[ \t]*$", re.IGNORECASE | re.MULTILINE)

MAX_MESSAGES = 500
"""Messages of examples that are made; what is beyond is left out."""


def parse_examples(text: str, *, user: str, char: str) -> tuple[tuple[Message, ...], ...]:
    """Messages of each block.

    Args:
        text: example dialogue with its macros expanded.
        user: the person's name.
        char: the character's name.

    Returns:
        Blocks in order, each with at least one message.
    """
    speakers = {user: Role.USER, char: Role.ASSISTANT}
    names = "|".join(re.escape(name) for name in sorted(speakers, key=len, reverse=True) if name)
    speech = re.compile(rf"^[ \t]*({names})[ \t]*[:：][ \t]*", re.MULTILINE) if names else None
    blocks: list[tuple[Message, ...]] = []
    room = MAX_MESSAGES
    for block in _START.split(text):
        messages = _messages(block, speech, speakers)[:room]
        if messages:
            blocks.append(tuple(messages))
            room -= len(messages)
    return tuple(blocks)


def _messages(
    block: str, speech: re.Pattern[str] | None, speakers: dict[str, Role]
) -> list[Message]:
    starts = list(speech.finditer(block)) if speech else []
    ends = [start.start() for start in starts[1:]] + [len(block)]
    before = block[: starts[0].start()] if starts else block
    said = [(Role.ASSISTANT, before)]
    said += (
        [
            (speakers[start[1]], block[start.end() : end])
            for start, end in zip(starts, ends, strict=True)
        ]
        if starts
        else []
    )
    return [Message.of(role, text.strip()) for role, text in said if text.strip()]
