# SPDX-License-Identifier: Apache-2.0
"""OSC 52: hand text to the terminal, through tmux and screen where they stand between.

    ESC ] 52 ; c ; base64 BEL

tmux takes it itself (`set-clipboard on`) or passes it on (`allow-passthrough on`): it is sent both
ways. screen passes strings on that are shorter than 768 bytes, so the sequence goes in pieces.
Whether a terminal does it is not told.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

LONGEST_BYTES = 74_994
"""The most bytes of UTF-8 that terminals take: 100,000 bytes of sequence, as hterm and others
limit it. Some cut what is longer, and half a text is worse than none."""

_SCREEN_PIECE = 240  # bytes of each piece; screen's own limit was 256 in old versions


def sequence(text: str, environment: Mapping[str, str]) -> str:
    """What to write to the terminal.

    Args:
        text: what to copy; at most LONGEST_BYTES of UTF-8.
        environment: TMUX, STY and TERM say what stands between.

    Returns:
        Control sequences.
    """
    encoded = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    plain = f"\x1b]52;c;{encoded}\x07"
    if environment.get("TMUX"):
        inner = plain.replace("\x1b", "\x1b\x1b")
        return f"{plain}\x1bPtmux;{inner}\x1b\\"
    if environment.get("STY") or environment.get("TERM", "").startswith("screen"):
        pieces = (plain[at : at + _SCREEN_PIECE] for at in range(0, len(plain), _SCREEN_PIECE))
        return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    return plain


def fits(text: str) -> bool:
    """Whether terminals take so much."""
    return len(text) <= LONGEST_BYTES and len(text.encode("utf-8", "replace")) <= LONGEST_BYTES
