# SPDX-License-Identifier: Apache-2.0
"""What models, files and people wrote, made harmless for a terminal.

No escape sequence, C0 or C1 control, bidirectional override or lone surrogate leaves here:
controls become visible symbols (ESC is ␛), so that nothing acts and little is hidden. Newlines
and tabs stay. Every function looks at one character at a time, so a text may come in pieces.
What is kept for the model is never changed; this is for showing only.
"""

from __future__ import annotations

from functools import cache

_REPLACEMENT = "\ufffd"


@cache
def _table() -> dict[int, str]:
    table = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
    table[0x7F] = "\u2421"
    table |= dict.fromkeys(range(0x80, 0xA0), _REPLACEMENT)
    table |= dict.fromkeys(range(0xD800, 0xE000), _REPLACEMENT)
    table |= dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "")
    return table | {0x0D: "", 0x85: "\n", 0x2028: "\n", 0x2029: "\n"}


@cache
def _line_table() -> dict[int, str]:
    newlines = dict.fromkeys((0x0A, 0x85, 0x2028, 0x2029), "\u240a")
    return _table() | newlines | {0x09: " ", 0x0D: "\u240d"}


def sanitize(text: str) -> str:
    """Text of several lines, safe to print: no control character but newline and tab.

    Carriage returns go, so that CRLF is one newline; Unicode's line separators are newlines.
    """
    return text.translate(_table())


def sanitize_line(text: str, *, limit: int = 0) -> str:
    """One line, safe to print: newlines show as ␊, tabs as spaces.

    Args:
        text: a file name, a message, a model's name.
        limit: most characters; a longer text loses its middle. 0 for no limit.
    """
    safe = text.translate(_line_table())
    if limit and len(safe) > limit:
        head = (limit - 1) // 2
        return f"{safe[:head]}…{safe[len(safe) - (limit - 1 - head) :]}"
    return safe


class LineLimiter:
    """Shortens what would hang a renderer: endless lines, and endless text.

    Args:
        line: most characters shown of one line.
        total: most characters shown in all.

    Feed it pieces in order. `hidden` counts the characters that were not shown.
    """

    def __init__(self, *, line: int = 6_000, total: int = 200_000) -> None:
        self._line = line
        self._total = total
        self._column = 0
        self._shown = 0
        self.hidden = 0

    def feed(self, piece: str) -> str:
        """What is to be shown of the next piece."""
        room = self._total - self._shown
        kept = "".join(self._cut(line) for line in piece.splitlines(keepends=True))[:room]
        self._shown += len(kept)
        self.hidden += len(piece) - len(kept)
        return kept

    def _cut(self, line: str) -> str:
        ends = line.endswith("\n")
        body = line[:-1] if ends else line
        room = max(0, self._line - self._column)
        self._column = 0 if ends else self._column + len(body)
        return body[:room] + ("\n" if ends else "")
