# SPDX-License-Identifier: Apache-2.0
"""What one character of a regular expression may be: the tests that patterns are made of."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import TypeAlias

from yuren_core.i18n import tr

Test: TypeAlias = Callable[[str], bool]


class PatternRefusedError(ValueError):
    """A pattern that is wrong, or that we do not run; says why."""


def is_word(char: str) -> bool:
    """What JavaScript takes for a part of a word."""
    return char.isascii() and (char.isalnum() or char == "_")


def is_han(char: str) -> bool:
    """A Chinese character."""
    return (
        "\u4e00" <= char <= "\u9fff"
        or "\u3400" <= char <= "\u4dbf"
        or "\U00020000" <= char <= "\U0003ffff"
    )


def category(name: str, *, negated: bool) -> Test:
    """The test of `\\p{name}`, or of `\\P{name}`: general categories and Han.

    Raises:
        PatternRefusedError: another property.
    """
    if name in _HAN:
        return negation(is_han) if negated else is_han
    short = _LONG_NAMES.get(name, name)
    if not (1 <= len(short) <= 2 and short[0] in "LMNPSZC"):
        raise PatternRefusedError(tr("presets.pattern.property", name=name[:30]))

    def test(char: str) -> bool:
        return unicodedata.category(char).startswith(short)

    return negation(test) if negated else test


def literal(char: str, *, ignores_case: bool) -> Test:
    """The test for one character."""
    if ignores_case and char.lower() != char.upper():
        forms = frozenset({char, char.lower(), char.upper()})
        return forms.__contains__
    return char.__eq__


def char_range(first: str, last: str, *, ignores_case: bool) -> Test:
    """The test for characters from one to another."""
    if not ignores_case:
        return lambda char: first <= char <= last
    return lambda char: (
        first <= char <= last or first <= char.lower() <= last or first <= char.upper() <= last
    )


def anything(_: str) -> bool:
    """`.` with flag s."""
    return True


def no_line_end(char: str) -> bool:
    """`.` without it."""
    return char not in "\n\r\u2028\u2029"


def _is_digit(char: str) -> bool:
    return "0" <= char <= "9"


def _is_space(char: str) -> bool:
    return char.isspace() or char == "\ufeff"


def negation(test: Test) -> Test:
    """The opposite test."""
    return lambda char: not test(char)


CLASSES: dict[str, Test] = {
    "d": _is_digit,
    "D": negation(_is_digit),
    "w": is_word,
    "W": negation(is_word),
    "s": _is_space,
    "S": negation(_is_space),
}
"""Escapes that stand for many characters."""

_HAN = ("Script=Han", "sc=Han", "Script_Extensions=Han", "scx=Han", "Ideographic")
_LONG_NAMES = {"Letter": "L", "Number": "N", "Punctuation": "P", "Alphabetic": "L"}
