# SPDX-License-Identifier: Apache-2.0
"""Read TOML that people have written by hand: a line that is none is set aside, and named.

What is set aside becomes a comment, so that the rest can be read and nothing is lost where the
text is written again.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any

SET_ASIDE = "#✕ "
"""What a line that could not be read begins with from then on."""

_AT_LINE = re.compile(r"\(at line (\d+)")
_MOST_LINES = 50


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no TOML. `number` counts from 1; None where only the end tells."""

    number: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Repaired:
    """TOML that can be read.

    Attributes:
        text: the text, with the bad lines as comments.
        data: what it says; empty where it cannot be read at all.
        bad: the lines that were set aside.
        is_whole: False where the text cannot be read even so.
    """

    text: str
    data: dict[str, Any]
    bad: tuple[BadLine, ...]
    is_whole: bool


def read_toml(text: str) -> Repaired:
    """Read a text, setting aside what is wrong in it.

    Args:
        text: what should be TOML.

    Returns:
        What could be read; never raises for what a file can hold.
    """
    lines, bad = text.split("\n"), list[BadLine]()
    for _ in range(_MOST_LINES):
        current = "\n".join(lines)
        try:
            data = tomllib.loads(current)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            reason = str(error).partition(" (at ")[0] or type(error).__name__
            number = int(at[1]) if (at := _AT_LINE.search(str(error))) else None
            bad.append(BadLine(number, reason))
            if number is None or number > len(lines) or lines[number - 1].startswith(SET_ASIDE):
                return Repaired(text, {}, tuple(bad), is_whole=False)
            lines[number - 1] = f"{SET_ASIDE}{lines[number - 1]}"
        else:
            return Repaired(current, data, tuple(bad), is_whole=True)
    return Repaired(text, {}, tuple(bad), is_whole=False)
