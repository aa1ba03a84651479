# SPDX-License-Identifier: Apache-2.0
"""A JSON array of any size to its elements' bytes and lines, without reading it whole.

Only strings, brackets and commas are looked at here; whether an element is JSON is found out by
whoever decodes it. So one bad element does not hide those behind it, unless its brackets do not
match: then they belong to it. A string ends at the end of its line at the latest, as JSON has
it, so that a forgotten quote does not reach farther.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

MAX_ROW_BYTES = 64 << 20
"""A longer row is not kept in memory: it is said to be too long, and passed over."""

_BLOCK = 1 << 20
_TOKEN = re.compile(rb'"(?:[^"\\\n]+|\\[^\n])*+(?P<end>["\n])?|[\[\]{},]')
_BLANKS = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Element:
    """One element: the line where it begins, from 1, and its bytes; None if it is too long."""

    line: int
    data: bytes | None


def split_array(file: IO[bytes]) -> Iterator[Element]:
    """Find the elements of the array that a file holds.

    What is no JSON (a comma too many, something behind the array) comes as an element too, and
    does not decode.

    Args:
        file: begins with the array's `[`; blanks may come first.

    Yields:
        The elements, in order.

    Raises:
        EOFError: behind the last element, the array is not closed.
    """
    buffer, line = b"", 1  # `line` is that of buffer[start]
    start = at = depth = found = 0
    too_long_from = 0  # the line of an element that is passed over

    def element(end: int) -> Element:
        data = buffer[start:end].strip(_BLANKS)
        blanks = buffer[start:end].index(data)
        begins = line + buffer.count(b"\n", start, start + blanks)
        # Nothing between two commas: the comma is what does not decode.
        return Element(too_long_from or begins, None if too_long_from else data or b",")

    while True:
        match = _TOKEN.search(buffer, at)
        if match is None or _may_go_on(match):
            at = match.start() if match else len(buffer)
            if len(buffer) - start > MAX_ROW_BYTES:
                too_long_from = too_long_from or element(at).line
                line += buffer.count(b"\n", start, at)
                buffer = b'"' + buffer[match.end() :] if match else b""
                start = at = 0
            # As much again as is kept, so that a long string is not looked through often.
            block = file.read(max(_BLOCK, len(buffer) - start))
            if not block:
                break
            buffer, at, start = buffer[start:] + block, at - start, 0
            continue
        token, at = match[0][:1], match.end()
        is_end = token == b"]" and depth == 1
        if is_end or (token == b"," and depth == 1):
            if found or not is_end or buffer[start : match.start()].strip(_BLANKS):
                yield element(match.start())
            found, too_long_from = found + 1, 0
            line += buffer.count(b"\n", start, at)
            start = at
            if is_end:
                yield from _behind(buffer[at:], line, file)
                return
        elif token in b"[{":
            depth += 1
            if depth == 1:
                line += buffer.count(b"\n", start, at)
                start = at
        elif token in b"]}":
            depth = max(1, depth - 1)
    if too_long_from or buffer[start:].strip(_BLANKS):
        yield element(len(buffer))
    raise EOFError


def _may_go_on(match: re.Match[bytes]) -> bool:
    """Whether the token is a string that the next block may continue."""
    if match[0][:1] != b'"' or match["end"] is not None:
        return False
    left = len(match.string) - match.end()
    return left == 0 or (left == 1 and match.string.endswith(b"\\"))


def _behind(rest: bytes, line: int, file: IO[bytes]) -> Iterator[Element]:
    """What stands behind the array, if anything does, as an element that does not decode."""
    while not rest.strip(_BLANKS):
        line += rest.count(b"\n")
        rest = file.read(_BLOCK)
        if not rest:
            return
    line += rest[: rest.index(rest.strip(_BLANKS))].count(b"\n")
    yield Element(line, b"]" + rest.strip(_BLANKS)[:40])
