# SPDX-License-Identifier: Apache-2.0
"""Nothing that acts on a terminal gets through."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuren_tui.sanitize import LineLimiter, sanitize, sanitize_line

ANY_TEXT = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("a\x00b\x7fc\x9b31m", "a␀b␡c�31m"),
        ("one\r\ntwo\ttabs", "one\ntwo\ttabs"),
        ("a\u2028b\u2029c\x85d", "a\nb\nc\nd"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("\ud800", "�"),
        ("重点。👩‍👩‍👧 عربي", "重点。👩‍👩‍👧 عربي"),
    ],
)
def test_controls_become_visible(text: str, shown: str) -> None:
    assert sanitize(text) == shown


@given(ANY_TEXT)
def test_no_control_but_newline_and_tab_gets_through(text: str) -> None:
    safe = sanitize(text)
    assert not [c for c in safe if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    assert safe.splitlines() == safe.removesuffix("\n").split("\n") or not safe


@given(st.lists(ANY_TEXT))
def test_pieces_come_out_as_the_whole_does(pieces: list[str]) -> None:
    assert "".join(map(sanitize, pieces)) == sanitize("".join(pieces))


@given(ANY_TEXT)
def test_a_line_is_one_line(text: str) -> None:
    assert len(sanitize_line(text).splitlines()) <= 1
    assert len(sanitize_line(text, limit=10)) <= 10


def test_a_long_name_loses_its_middle() -> None:
    assert sanitize_line("abcdefghijklmnop.png", limit=11) == "abcde…p.png"


@given(st.lists(st.text("ab\n", max_size=30)))
def test_the_limiter_shows_the_same_however_the_text_is_cut(pieces: list[str]) -> None:
    parts, whole = LineLimiter(line=5, total=40), LineLimiter(line=5, total=40)
    assert "".join(map(parts.feed, pieces)) == (shown := whole.feed("".join(pieces)))
    assert parts.hidden == whole.hidden == len("".join(pieces)) - len(shown)
    assert all(len(line) <= 5 for line in shown.split("\n"))
