# SPDX-License-Identifier: Apache-2.0
"""Patterns of strangers: the same answers as Python's, and bounded work."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yuren_core.i18n import use_language
from yuren_tui.presets.regex_chars import PatternRefusedError
from yuren_tui.presets.safe_regex import WORK_PER_TURN, WorkBudget, compile_pattern

ATOMS = st.sampled_from(["a", "b", ".", r"\w", r"\d", "[ab]", "[^a]", r"\b", "^", "猫", r"\s"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})")
        | st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "*?"])).map(
            lambda two: f"(?:x?{two[0]}){two[1]}"
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, st.text(alphabet="abx1 猫\n", max_size=12), st.sampled_from(["", "i", "m", "s"]))
def test_it_answers_as_python_does(pattern: str, text: str, flags: str) -> None:
    python = {"": 0, "i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}[flags] | re.ASCII
    expected = re.search(pattern, text, python) is not None
    assert compile_pattern(pattern, flags).search(text, WorkBudget()) == expected


@pytest.mark.parametrize(
    ("pattern", "flags", "text", "expected"),
    [
        (r"(?:he|she) (?:is talking|observes) (?:the )?rain", "i", "She observes rain", True),
        (r"caf\u00e9|\x41\u{732b}", "", "A猫", True),
        (r"\p{Script=Han}{2}", "u", "a灯塔", True),
        (r"\P{L}", "u", "abc", False),
        ("end$", "", "the end\n", False),
        ("end$", "m", "the end\n", True),
        ("[a-f]x", "i", "CX", True),
        ("a{,2}", "", "a{,2}", True),
        (r"1\/2", "", "1/2", True),
    ],
)
def test_javascript_s_own_ways(pattern: str, flags: str, text: str, expected: bool) -> None:
    assert compile_pattern(pattern, flags).search(text, WorkBudget()) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a)\1",
        "(?=a)",
        "(?<!a)b",
        "(",
        ")",
        "[a",
        "*a",
        "a**",
        "[z-a]",
        "a{2,1}",
        r"\p{Nope}",
        "a\\",
        "(((a{99}){99}){99})",
        "a" * 3000,
        "(" * 100 + ")" * 100,
        r"\u{110000}",
        "a{5000}",
    ],
)
def test_what_is_wrong_or_unbounded_is_refused(pattern: str) -> None:
    with pytest.raises(PatternRefusedError):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(a?){200}a{200}b", "(.*)*(.*)*x", "(){1000}b"]
)
def test_work_is_bounded_on_patterns_that_hang_others(pattern: str) -> None:
    budget = WorkBudget()
    assert not compile_pattern(pattern).search("a" * 20_000 + "!", budget)
    assert budget.steps > -10_000
    assert WORK_PER_TURN > 0


@pytest.mark.parametrize(
    ("language", "pattern", "said"),
    [("en", r"\p{Odd}", r"\p{Odd} is not supported"), ("zh", r"\px", r"\p 后面缺少 {…}")],
)
def test_a_refusal_speaks_the_language_of_the_person(
    language: str, pattern: str, said: str
) -> None:
    use_language(language)
    with pytest.raises(PatternRefusedError) as caught:
        compile_pattern(pattern)
    assert str(caught.value) == said
