# SPDX-License-Identifier: Apache-2.0
"""The words of rows for training: ShareGPT, LLaVA and OpenAI.

    {"conversations": [{"from", "value"}, ...], "images": [paths]}
    {"messages": [{"role", "content": string or parts}, ...]}

The trainer learns from such rows, and the chat writes them and takes them in.
"""

from __future__ import annotations

from collections.abc import Mapping

from yuren_core.messages import Role

ROLES: Mapping[str, Role] = {
    "system": Role.SYSTEM,
    "human": Role.USER,
    "user": Role.USER,
    "gpt": Role.ASSISTANT,
    "assistant": Role.ASSISTANT,
}
"""Who speaks, by the names that rows have for it."""

OPENAI = ("messages", "role", "content")
SHAPES = (("conversations", "from", "value"), OPENAI)
"""Keys of the turns, and in a turn of who speaks and what is said."""

IMAGE_TAG = "<image>"
"""Stands in a text for the next of the row's pictures."""

COMMENT = "__comment__"
"""A row that has no other key says something to people, and nothing is learned from it."""
