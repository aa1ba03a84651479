# SPDX-License-Identifier: Apache-2.0
"""Where a query is in a text: plain data that a front end may colour. No markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_TERMS = 16
"""Words of a query that count."""

_SNIPPET = 160
_LEAD = 40


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of a text on one line.

    Attributes:
        text: blanks and newlines are single spaces; "…" where something was left out.
        matches: start and end of each match in `text`, in order, not overlapping.
    """

    text: str
    matches: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Terms:
    """The words of a query, ready to be looked for.

    Attributes:
        words: as typed.
    """

    words: tuple[str, ...]
    _patterns: tuple[re.Pattern[str], ...] = field(init=False, repr=False)
    _any: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        escaped = [re.escape(word) for word in self.words]
        patterns = tuple(re.compile(word, re.IGNORECASE) for word in escaped)
        object.__setattr__(self, "_patterns", patterns)
        longest_first = sorted(escaped, key=len, reverse=True)
        object.__setattr__(self, "_any", re.compile("|".join(longest_first), re.IGNORECASE))

    @classmethod
    def parse(cls, query: str) -> Terms:
        """The words of a query; a quote that is still open ends with the query."""
        found = re.findall(r'"([^"]*)"?|([^\s"]+)', query)
        words = (quoted.strip() or bare for quoted, bare in found)
        return cls(tuple(dict.fromkeys(word[:200] for word in words if word))[:MAX_TERMS])

    def __bool__(self) -> bool:
        return bool(self.words)

    @property
    def longest(self) -> str:
        """The word that narrows most."""
        return max(self.words, key=len)

    def are_in(self, text: str) -> bool:
        """Whether every word is somewhere in a text."""
        return all(pattern.search(text) for pattern in self._patterns)

    def are_whole_words_in(self, text: str) -> bool:
        """Whether every word stands in a text as a word of its own."""
        return all(
            any(_stands_alone(text, match) for match in pattern.finditer(text[:20_000]))
            for pattern in self._patterns
        )

    def begin(self, text: str) -> bool:
        """Whether a text begins with the first word."""
        return self._patterns[0].match(text) is not None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where any word is in a text, in order."""
        return (match.span() for match in self._any.finditer(text))


def whole(text: str, terms: Terms) -> Snippet:
    """A short text, such as a title, uncut."""
    return Snippet(text, tuple(terms.spans(text)))


def cut(text: str, terms: Terms) -> Snippet:
    """The piece of a long text around the first match."""
    first = next(terms.spans(text), (0, 0))[0]
    start = max(0, first - _LEAD)
    if start:  # rather at a blank than in a word
        blank = text.find(" ", start, first)
        start = blank + 1 if blank >= 0 else start
    piece = " ".join(text[start : start + _SNIPPET].split())
    ahead = "…" if start else ""
    behind = "…" if start + _SNIPPET < len(text) else ""
    line = f"{ahead}{piece}{behind}"
    return Snippet(line, tuple(terms.spans(line)))


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    return not (before.isalnum() or after.isalnum())
