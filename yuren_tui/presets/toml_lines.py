# SPDX-License-Identifier: Apache-2.0
"""On which line of a TOML text a key stands, so that an error can say it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

_HEADER = re.compile(r"[ \t]*(\[\[?)([^\[\]]+)\]\]?[ \t]*(?:#.*)?$")
_KEY = re.compile(
    r"""[ \t]*((?:[\w-]+|"[^"]*"|'[^']*')(?:[ \t]*\.[ \t]*(?:[\w-]+|"[^"]*"|'[^']*'))*)[ \t]*="""
)


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """The line of a key, or of the nearest table around it.

    Args:
        text: valid TOML.
        path: keys from the outside in; a number is a place in an array of tables.

    Returns:
        Counted from 1; None where not even its outermost table is found.
    """
    best: tuple[int, int] | None = None  # how much of the path, on which line
    for number, key_path in _keys(text):
        if tuple(path[: len(key_path)]) == key_path and (best is None or len(key_path) > best[0]):
            best = (len(key_path), number)
    return best[1] if best else None


def _keys(text: str) -> Iterator[tuple[int, KeyPath]]:
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    closing = ""  # the quotes that end the multi-line string that we are in
    for number, line in enumerate(text.split("\n"), start=1):
        if closing:
            closing = "" if closing in line else closing
            continue
        if header := _HEADER.match(line):
            names = _names(header[2])
            table = (*_with_places(names[:-1], counts), names[-1])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table += (counts[table],)
            yield number, table
        elif key := _KEY.match(line):
            yield number, table + tuple(_names(key[1]))
            closing = _opened(line[key.end() :])


def _with_places(names: Sequence[str], counts: dict[KeyPath, int]) -> KeyPath:
    """A table inside an array belongs to the array's last one."""
    path: KeyPath = ()
    for name in names:
        path += (name,)
        if path in counts:
            path += (counts[path],)
    return path


def _names(dotted: str) -> list[str]:
    return [name.strip().strip("\"'") for name in dotted.split(".")]


def _opened(value: str) -> str:
    for quotes in ('"""', "'''"):
        if value.lstrip().startswith(quotes) and value.count(quotes) == 1:
            return quotes
    return ""
