# SPDX-License-Identifier: Apache-2.0
"""Regular expressions of strangers, run in bounded work.

Python's `re` may take hours on a hostile pattern, and neither a thread nor a timeout can stop
it. So patterns run here on a machine that follows all possibilities at once (Thompson's
construction, with the states it has seen remembered as in a DFA): work grows with the text and
the pattern, never with their combinations, and every step is counted against a `WorkBudget`.
It only says whether a pattern is there; that is all that a lorebook key asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from yuren_core.i18n import tr
from yuren_tui.presets.regex_chars import PatternRefusedError, Test, is_word
from yuren_tui.presets.regex_syntax import (
    Assert,
    Assertion,
    Either,
    Node,
    One,
    Repeat,
    Sequence,
    parse_pattern,
)

MAX_PROGRAM = 3_000
"""Instructions of one pattern, repetitions written out."""

WORK_PER_TURN = 3_000_000
"""Steps that all keys of one turn may take together; about a second at worst."""

_MAX_REMEMBERED = 20_000  # states in all that one pattern remembers
_NEW_STEP = 3  # what one instruction costs, against one remembered step of the whole
_DELIMITED = re.compile(r"/(.+)/([a-zA-Z]*)", re.DOTALL)
_KNOWN_FLAGS = frozenset("dgimsuvy")


@dataclass(slots=True)
class WorkBudget:
    """Steps that are left; shared by all searches of one turn."""

    steps: int = WORK_PER_TURN

    @property
    def is_spent(self) -> bool:
        """Whether no step is left; a search then finds nothing."""
        return self.steps <= 0


@dataclass(frozen=True, slots=True)
class _Split:
    left: int
    right: int


_Instruction = Test | Assertion | _Split | None  # None: the pattern is there


def split_delimited(key: str) -> tuple[str, str] | None:
    """Pattern and flags of a key such as `/re/i`; None where it is not written so."""
    found = _DELIMITED.fullmatch(key.strip())
    if found is None or not set(found[2]) <= _KNOWN_FLAGS:
        return None
    return found[1], found[2]


@lru_cache(maxsize=512)
def compile_pattern(pattern: str, flags: str = "") -> Pattern:
    """A pattern, ready to search.

    Args:
        pattern: without slashes.
        flags: JavaScript's; i, m and s act.

    Raises:
        PatternRefusedError: it is wrong, too large, or needs lookaround or back references.
    """
    node = parse_pattern(pattern, ignores_case="i" in flags, dot_is_all="s" in flags)
    program: list[_Instruction] = []
    _emit(node, program)
    program.append(None)
    return Pattern(program, is_multiline="m" in flags)


class Pattern:
    """A compiled pattern of `size` instructions; remembers what it has worked out."""

    def __init__(self, program: list[_Instruction], *, is_multiline: bool) -> None:
        self._program = program
        self._is_multiline = is_multiline
        self.size = len(program)
        self._next: dict[tuple[frozenset[int], str, str], frozenset[int] | None] = {}
        self._remembered = 0

    def search(self, text: str, budget: WorkBudget) -> bool:
        """Whether the pattern is somewhere in the text.

        Args:
            text: where to look.
            budget: is lessened; where it is spent, the answer is False.
        """
        states: frozenset[int] | None = frozenset()
        previous = ""
        for char in (*text, ""):
            assert states is not None
            key = (states, previous, char)
            budget.steps -= 1
            if key in self._next:
                states = self._next[key]
            else:
                states = self._step(states, previous, char, budget)
                self._remember(key, states)
            if states is None:
                return True
            if budget.is_spent:
                return False
            previous = char if char == "\n" else "w" if is_word(char) else " "
        return False

    def _remember(
        self, key: tuple[frozenset[int], str, str], states: frozenset[int] | None
    ) -> None:
        self._remembered += 1 + len(states or ())
        if self._remembered > _MAX_REMEMBERED:
            self._next.clear()
            self._remembered = 0
        self._next[key] = states

    def _step(
        self, states: frozenset[int], previous: str, char: str, budget: WorkBudget
    ) -> frozenset[int] | None:
        """States after one character; None where the pattern has been there before it."""
        program, seen, after = self._program, {0, *states}, set[int]()
        waiting = list(seen)
        while waiting:
            place = waiting.pop()
            budget.steps -= _NEW_STEP
            match program[place]:
                case None:
                    return None
                case _Split(left, right):
                    steps = {left, right}
                case str(kind):
                    steps = {place + 1} if self._holds(kind, previous, char) else set()
                case test:
                    steps = set()
                    if char and test(char):
                        after.add(place + 1)
            waiting += steps - seen
            seen |= steps
        return frozenset(after)

    def _holds(self, kind: str, previous: str, char: str) -> bool:
        match kind:
            case "start":
                return not previous or (self._is_multiline and previous == "\n")
            case "end":
                return not char or (self._is_multiline and char == "\n")
            case _:
                is_border = (previous == "w") != is_word(char)
                return is_border == (kind == "border")


def _emit(node: Node, program: list[_Instruction]) -> None:
    if len(program) > MAX_PROGRAM:
        raise PatternRefusedError(tr("presets.pattern.large"))
    match node:
        case One(test):
            program.append(test)
        case Assert(kind):
            program.append(kind)
        case Sequence(nodes):
            for each in nodes:
                _emit(each, program)
        case Either(nodes):
            _emit_either(nodes, program)
        case Repeat(inner, least, most):
            _emit_repeat(inner, least, most, program)


def _emit_either(nodes: tuple[Node, ...], program: list[_Instruction]) -> None:
    jumps: list[int] = []
    for each in nodes[:-1]:
        fork = len(program)
        program.append(None)
        _emit(each, program)
        jumps.append(len(program))
        program.append(None)
        program[fork] = _Split(fork + 1, len(program))
    _emit(nodes[-1], program)
    for jump in jumps:
        program[jump] = _Split(len(program), len(program))


def _emit_repeat(inner: Node, least: int, most: int | None, program: list[_Instruction]) -> None:
    if most is not None and most < least:
        raise PatternRefusedError(tr("presets.pattern.count"))
    for _ in range(least):
        size = len(program)
        _emit(inner, program)
        if len(program) == size:  # nothing, however often
            return
    if most is None:
        fork = len(program)
        program.append(None)
        _emit(inner, program)
        program.append(_Split(fork, fork))
        program[fork] = _Split(fork + 1, len(program))
        return
    forks: list[int] = []
    for _ in range(most - least):
        forks.append(len(program))
        program.append(None)
        _emit(inner, program)
    for fork in forks:
        program[fork] = _Split(fork + 1, len(program))
