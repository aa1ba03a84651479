# SPDX-License-Identifier: Apache-2.0
"""A guess at tokens, for where the model process cannot be asked in time."""

from __future__ import annotations

_ASCII_CHARACTERS_PER_TOKEN = 4.0
_OTHER_TOKENS_PER_CHARACTER = 1.5  # small vocabularies take one to three for a Chinese character


def estimate_tokens(text: str) -> int:
    """Roughly how many tokens a text takes; rather too many than too few."""
    ascii_count = sum(map(str.isascii, text))
    other = len(text) - ascii_count
    return int(ascii_count / _ASCII_CHARACTERS_PER_TOKEN + other * _OTHER_TOKENS_PER_CHARACTER) + 1
