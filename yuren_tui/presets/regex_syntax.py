# SPDX-License-Identifier: Apache-2.0
"""Regular expressions of JavaScript, parsed into a tree: the part that needs no backtracking.

Understood: literals, escapes, classes, `.`, groups, alternatives, `* + ? {n,m}` (greedy or
lazy), `^ $ \\b \\B`, and `\\p{…}` for general categories and Han. Refused with a reason:
lookaround and back references, which no machine of bounded work can run. `\\w \\d \\b` are
ASCII, as in the programs that these keys were written for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from yuren_core.i18n import tr
from yuren_tui.presets.regex_chars import (
    CLASSES,
    PatternRefusedError,
    Test,
    anything,
    category,
    char_range,
    literal,
    no_line_end,
)

MAX_PATTERN = 2_000
MAX_REPEAT = 1_000
_MAX_NESTING = 40

Assertion = Literal["start", "end", "border", "no_border"]


@dataclass(frozen=True, slots=True)
class One:
    """One character that passes a test."""

    test: Test


@dataclass(frozen=True, slots=True)
class Assert:
    """A place, not a character."""

    kind: Assertion


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after another."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of several."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same again; `most` None is without end."""

    node: Node
    least: int
    most: int | None


Node: TypeAlias = One | Assert | Sequence | Either | Repeat


def parse_pattern(pattern: str, *, ignores_case: bool, dot_is_all: bool) -> Node:
    """Parse a pattern.

    Args:
        pattern: without slashes.
        ignores_case: flag i.
        dot_is_all: flag s.

    Raises:
        PatternRefusedError: it is wrong, too long, or needs what we do not run.
    """
    if len(pattern) > MAX_PATTERN:
        raise PatternRefusedError(tr("presets.pattern.long", limit=MAX_PATTERN))
    parser = _Parser(pattern, ignores_case=ignores_case, dot_is_all=dot_is_all)
    node = parser.alternatives(0)
    if parser.place < len(pattern):
        raise PatternRefusedError(tr("presets.pattern.unopened"))
    return node


class _Parser:
    def __init__(self, pattern: str, *, ignores_case: bool, dot_is_all: bool) -> None:
        self.pattern = pattern
        self.ignores_case = ignores_case
        self.dot_is_all = dot_is_all
        self.place = 0

    def peek(self) -> str:
        return self.pattern[self.place : self.place + 1]

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise PatternRefusedError(tr("presets.pattern.early"))
        self.place += 1
        return char

    def takes(self, text: str) -> bool:
        if self.pattern.startswith(text, self.place):
            self.place += len(text)
            return True
        return False

    def alternatives(self, nesting: int) -> Node:
        if nesting > _MAX_NESTING:
            raise PatternRefusedError(tr("presets.pattern.nested", limit=_MAX_NESTING))
        branches = [self.sequence(nesting)]
        while self.takes("|"):
            branches.append(self.sequence(nesting))
        return branches[0] if len(branches) == 1 else Either(tuple(branches))

    def sequence(self, nesting: int) -> Node:
        nodes: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            nodes.append(self.repeated(self.atom(nesting)))
        return Sequence(tuple(nodes))

    def atom(self, nesting: int) -> Node:
        char = self.take()
        match char:
            case "(":
                return self.group(nesting)
            case "[":
                return One(self.char_class())
            case ".":
                return One(anything if self.dot_is_all else no_line_end)
            case "^":
                return Assert("start")
            case "$":
                return Assert("end")
            case "\\":
                return self.escape()
            case "*" | "+" | "?":
                raise PatternRefusedError(tr("presets.pattern.nothing_before", char=char))
            case _:
                return One(literal(char, ignores_case=self.ignores_case))

    def group(self, nesting: int) -> Node:
        if self.takes("?"):
            if self.takes("=") or self.takes("!") or self.takes("<=") or self.takes("<!"):
                raise PatternRefusedError(tr("presets.pattern.around"))
            if self.takes("<"):
                while self.take() != ">":
                    pass
            elif not self.takes(":"):
                raise PatternRefusedError(tr("presets.pattern.group"))
        node = self.alternatives(nesting + 1)
        if not self.takes(")"):
            raise PatternRefusedError(tr("presets.pattern.unclosed"))
        return node

    def repeated(self, node: Node) -> Node:
        counts: tuple[int, int | None] | None
        match self.peek():
            case "*" | "+" | "?" as mark:
                self.take()
                counts = _COUNTS[mark]
            case "{":
                counts = self.counts()
            case _:
                counts = None
        if counts is None:
            return node
        self.takes("?")  # lazy or greedy is one for "is it there"
        if isinstance(node, Assert):
            raise PatternRefusedError(tr("presets.pattern.place"))
        if self.peek() in ("*", "+", "?"):
            raise PatternRefusedError(tr("presets.pattern.repeat"))
        return Repeat(node, *counts)

    def counts(self) -> tuple[int, int | None] | None:
        """`{n}`, `{n,}`, `{n,m}`; None where the brace is only a brace."""
        end = self.pattern.find("}", self.place)
        low, comma, high = self.pattern[self.place + 1 : max(end, self.place)].partition(",")
        if (
            not low.isascii()
            or not low.isdigit()
            or not (not high or (high.isascii() and high.isdigit()))
        ):
            return None
        if max(len(low), len(high)) > 4 or int(low) > MAX_REPEAT or int(high or 0) > MAX_REPEAT:
            raise PatternRefusedError(tr("presets.pattern.many", limit=MAX_REPEAT))
        self.place = end + 1
        least = int(low)
        return least, (int(high) if high else None) if comma else least

    def escape(self) -> Node:
        char = self.take()
        if char == "b":
            return Assert("border")
        if char == "B":
            return Assert("no_border")
        if char == "k" or char in "123456789":
            raise PatternRefusedError(tr("presets.pattern.back"))
        return One(self.escaped(char))

    def escaped(self, char: str) -> Test:
        """The test of an escape, in a class or out of it."""
        if char.lower() == "p":
            if not self.takes("{"):
                raise PatternRefusedError(tr("presets.pattern.bare_property"))
            return category(self.until("}"), negated=char == "P")
        if named := CLASSES.get(char):
            return named
        return literal(self.escaped_char(char), ignores_case=self.ignores_case)

    def escaped_char(self, char: str) -> str:
        if char == "u" and self.takes("{"):
            return self.code(self.until("}"))
        if char in "xu":
            width = 2 if char == "x" else 4
            digits = self.pattern[self.place : self.place + width]
            if len(digits) == width and all(digit in "0123456789abcdefABCDEF" for digit in digits):
                self.place += width
                return self.code(digits)
            return char
        return {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}.get(char, char)

    def code(self, digits: str) -> str:
        try:
            return chr(int(digits, 16))
        except (ValueError, OverflowError) as error:
            raise PatternRefusedError(tr("presets.pattern.number", digits=digits[:20])) from error

    def until(self, mark: str) -> str:
        end = self.pattern.find(mark, self.place)
        if end < 0:
            raise PatternRefusedError(tr("presets.pattern.early"))
        text, self.place = self.pattern[self.place : end], end + 1
        return text

    def char_class(self) -> Test:
        is_negated = self.takes("^")
        tests: list[Test] = []
        while not self.takes("]"):
            first = self.class_char()
            if callable(first):
                tests.append(first)
            elif self.peek() == "-" and self.pattern[self.place + 1 : self.place + 2] not in (
                "]",
                "",
            ):
                self.take()
                last = self.class_char()
                if callable(last) or last < first:
                    raise PatternRefusedError(tr("presets.pattern.range"))
                tests.append(char_range(first, last, ignores_case=self.ignores_case))
            else:
                tests.append(literal(first, ignores_case=self.ignores_case))

        def test(char: str) -> bool:
            return any(each(char) for each in tests) != is_negated

        return test

    def class_char(self) -> str | Test:
        char = self.take()
        if char != "\\":
            return char
        char = self.take()
        if char == "b":
            return "\b"
        if char in CLASSES or char.lower() == "p":
            return self.escaped(char)
        return self.escaped_char(char)


_COUNTS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
