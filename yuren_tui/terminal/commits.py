# SPDX-License-Identifier: Apache-2.0
"""Put the input filter before Textual's parser, as lightly as can be.

The class's `feed` and `tick` are wrapped, both of them what drivers call. Whether that helps is
tried on a parser of its own first: where Textual reads long commits by itself, or is built
otherwise than we know, nothing is changed for input, and the chat works as Textual does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from yuren_tui.terminal.input_filter import InputFilter
from yuren_tui.terminal.questions import Questions

if TYPE_CHECKING:
    from textual._xterm_parser import XTermParser

_HELD_LONGEST_S = 0.3  # a sequence whose end has not come by then is no sequence
_FILTER = "_yuren_filter"
_TRIAL = "我能吞下玻璃而不伤身体" * 3


def install() -> Questions | None:
    """Wrap the parser's methods.

    Returns:
        What the terminal can be asked through; None where the parser is not as we know it, and
        is left as it is. Calling it again wraps nothing twice.
    """
    try:
        from textual._xterm_parser import XTermParser
    except ImportError:
        return None
    parser: Any = XTermParser
    if (questions := getattr(parser, "_yuren_questions", None)) is not None:
        assert isinstance(questions, Questions)
        return questions
    feed, tick = getattr(parser, "feed", None), getattr(parser, "tick", None)
    if feed is None or tick is None:
        return None
    questions = Questions()
    parser.feed, parser.tick = _wrapped(feed, tick, questions)
    if not reads_commits(XTermParser):
        parser.feed, parser.tick = feed, tick
        return None
    parser._yuren_questions = questions
    return questions


def reads_commits(parser: type[XTermParser]) -> bool:
    """Whether a parser of this class reads a long commit as the text that it is."""
    points = ":".join(str(ord(char)) for char in _TRIAL)
    try:
        events = list(parser().feed(f"\x1b[0;;{points}u"))
    except Exception:  # noqa: BLE001 - a parser that we do not know may do anything
        return False
    return "".join(getattr(event, "character", None) or "" for event in events) == _TRIAL


def _wrapped(
    feed: Callable[[Any, str], Iterable[Any]],
    tick: Callable[[Any], Iterable[Any]],
    questions: Questions,
) -> tuple[Callable[[Any, str], Iterator[Any]], Callable[[Any], Iterator[Any]]]:
    def filter_of(parser: Any) -> _Held:
        held = getattr(parser, _FILTER, None)
        if not isinstance(held, _Held):
            held = _Held(InputFilter(questions.take, questions.is_waiting))
            setattr(parser, _FILTER, held)
        return held

    def filtered_feed(self: Any, data: str) -> Iterator[Any]:
        held = filter_of(self)
        if not data:  # the end
            if rest := held.filter.flush():
                yield from feed(self, rest)
            yield from feed(self, data)
            return
        passed = held.filter.feed(data)
        held.since = time.monotonic()
        if passed:
            yield from feed(self, passed)

    def filtered_tick(self: Any) -> Iterator[Any]:
        held = filter_of(self)
        if held.filter.is_holding and time.monotonic() - held.since > _HELD_LONGEST_S:
            yield from feed(self, held.filter.flush())
        for event in tick(self):
            held.filter.settle()
            yield event

    return filtered_feed, filtered_tick


class _Held:
    """A parser's filter, and since when it keeps something back."""

    def __init__(self, input_filter: InputFilter) -> None:
        self.filter = input_filter
        self.since = 0.0
