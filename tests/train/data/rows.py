# SPDX-License-Identifier: Apache-2.0
"""Rows, files and a tokenizer for tests of the data layer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.tiny import tiny_tokenizer
from yuren_core.chatml import CONTROL_TOKENS, PAD
from yuren_core.messages import Message, Role
from yuren_core.model.tokenization import ChatTokenizer

PATCHES = 5


def make_tokenizer(*, image_tokens: int = PATCHES) -> ChatTokenizer:
    """A tokenizer of a few hundred tokens that knows the control tokens."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"extra_special_tokens": [*CONTROL_TOKENS], "pad_token": PAD})
    return ChatTokenizer(tokenizer, image_tokens=image_tokens)


def conversation(*texts: str, system: str = "") -> list[Message]:
    """Questions and answers in turn, behind a system prompt."""
    messages = [Message.of(Role.SYSTEM, system)] if system else []
    for index, text in enumerate(texts):
        messages.append(Message.of(Role.ASSISTANT if index % 2 else Role.USER, text))
    return messages


def share_gpt(*texts: str, system: str = "", **beside: Any) -> dict[str, Any]:
    """The same as a row of ShareGPT."""
    names = {Role.SYSTEM: "system", Role.USER: "human", Role.ASSISTANT: "gpt"}
    turns = [
        {"from": names[message.role], "value": message.text}
        for message in conversation(*texts, system=system)
    ]
    return {"conversations": turns, **beside}


def write_lines(path: Path, rows: Sequence[object]) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(str.strip)
"""What a turn may say."""

conversations = st.builds(
    lambda texts, system: conversation(*texts[: len(texts) // 2 * 2], system=system),
    st.lists(words, min_size=2, max_size=8),
    st.one_of(st.just(""), words),
)
"""Whole conversations of one to four exchanges."""
