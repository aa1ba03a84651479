# SPDX-License-Identifier: Apache-2.0
"""Titles by rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuren_tui.store import title_from
from yuren_tui.store.titles import cells


@pytest.mark.parametrize(
    ("question", "answer", "title"),
    [
        ("Why is the sky blue?", "", "Why is the sky blue?"),
        ("Why is the sky blue? I ask because", "", "Why is the sky blue?"),
        ("Explain e.g. monads. Then more.", "", "Explain e.g. monads"),
        ("Use version 3.11 of it. Now.", "", "Use version 3.11 of it"),
        ("天空为什么是蓝色的？请简短回答。", "", "天空为什么是蓝色的？"),
        ("“你好吗？”她问。然后呢", "", "“你好吗？”"),
        ("# A **bold** [link](http://x) and `code`", "", "A bold link and code"),
        ("- [ ] buy milk\n- eggs", "", "[ ] buy milk"),
        ("> quoted\n\nreply", "", "quoted"),
        ("```py\nprint(1)\n```\nWhat does this do?", "", "What does this do?"),
        ("```\nnever closed", "It is code.", "It is code"),
        ("snake_case_name stays", "", "snake_case_name stays"),
        ("2 * 3 * 4 is what?", "", "2 * 3 * 4 is what?"),
        ("hello", "Hi! Photosynthesis is a process.", "Photosynthesis is a process"),
        ("你好", "你好！我能帮你写诗。", "我能帮你写诗"),
        ("hello", "", "hello"),
        ("", "A cat on a mat.", "A cat on a mat"),
        ("?!", "", ""),
        ("", "", ""),
        ("a\x1b[31mb\0c\u2028d", "", "a [31mb c"),
        (
            "Please write a very long story about a dragon who loved tea",
            "",
            "Please write a very long story about a…",
        ),
        ("写" * 21, "", "写" * 19 + "…"),
    ],
)
def test_a_title_is_the_first_thing_said(question: str, answer: str, title: str) -> None:
    assert title_from(question, answer) == title


@given(st.text(max_size=300), st.text(max_size=300), st.integers(8, 60))
def test_a_title_is_one_line_that_fits(question: str, answer: str, width: int) -> None:
    title = title_from(question, answer, width=width)
    assert cells(title) <= width
    assert title.isprintable()


def test_hostile_text_takes_no_time() -> None:
    for text in ("*" * 100_000, "[" * 100_000, "`" * 99_999, "_a" * 50_000, "a." * 50_000):
        title_from(text, text)
