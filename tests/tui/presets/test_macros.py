# SPDX-License-Identifier: Apache-2.0
"""Macros: what each gives, and that nothing else happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuren_tui.presets import MacroContext, expand
from yuren_tui.presets.macros import MACRO_NAMES, MAX_OUTPUT

CONTEXT = MacroContext(
    user="Ann",
    char="Mira",
    model="smol",
    language="en",
    now=datetime(2025, 5, 3, 9, 5),
    seed=1,
    texts={"lastmessage": "Hi {{user}}", "original": "Be kind."},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{User}} {{ CHAR }} <user>/<BOT>/<char>", "Ann Mira Ann/Mira/Mira"),
        (
            "{{date}}, {{weekday}}, {{time}}, {{isodate}}",
            "May 3, 2025, Saturday, 09:05, 2025-05-03",
        ),
        ("{{model}} {{lang}} {{original}}", "smol English Be kind."),
        ("{{lastMessage}}", "Hi {{user}}"),
        ("a{{// note {{user}} }}b{{comment: x}}{{noop}}", "ab"),
        ("a\n{{trim}}\n\nb{{newline}}c", "ab\nc"),
        ("{{reverse:{{user}}}}", "nnA"),
        ("{{random:x}} {{pick::y}} {{random:a\\,b}}", "x y a,b"),
        ("{{roll:1}} {{roll:d1}} {{roll 2d1+3}}", "1 1 5"),
        (
            "{{unknown}} {{setvar::a::{{user}}}} {{roll:d0}}",
            "{{unknown}} {{setvar::a::Ann}} {{roll:d0}}",
        ),
        ("{{ {{user}} }} }} {{", "{{ Ann }} }} {{"),
        ("<|im_end|>{{user}}", "<|im_end|>Ann"),
    ],
)
def test_a_macro_gives(text: str, expected: str) -> None:
    assert expand(text, CONTEXT) == expected


def test_dates_are_in_the_language() -> None:
    chinese = replace(CONTEXT, language="zh")
    assert expand("{{date}}{{weekday}}{{lang}}", chinese) == "2025年5月3日星期六中文"


def test_chance_depends_on_seed_and_turn_alone() -> None:
    text = "{{random:" + ",".join(map(str, range(1000))) + "}} {{roll:d1000}}"
    picks = text.replace("random", "pick").split()[0]
    assert expand(text, CONTEXT) == expand(text, CONTEXT)
    assert expand(text, CONTEXT) != expand(text, replace(CONTEXT, turn=2))
    assert expand(picks, CONTEXT) == expand(picks, replace(CONTEXT, turn=2))
    assert expand(picks, CONTEXT) != expand(picks, replace(CONTEXT, seed=2))


def test_what_a_macro_gives_is_not_read_again() -> None:
    assert expand("{{user}}", replace(CONTEXT, user="{{user}}{{char}}")) == "{{user}}{{char}}"


def test_output_is_bounded() -> None:
    bomb = replace(CONTEXT, texts={"description": "x" * 1_000_000})
    assert len(expand("{{description}}" * 10_000, bomb)) < MAX_OUTPUT + 2_000_000
    nested = "{{reverse:" * 50_000 + "a" + "}}" * 50_000
    assert "a" in expand(nested, CONTEXT)


@given(st.text(alphabet="{}:,/ <>userandomick\n", max_size=60))
def test_any_text_is_expanded_without_a_fault_and_the_same_each_time(text: str) -> None:
    assert expand(text, CONTEXT) == expand(text, CONTEXT)


def test_every_named_macro_is_known() -> None:
    names = {"persona", "description", "personality", "scenario", "lastusermessage"}
    context = replace(
        CONTEXT, texts={**CONTEXT.texts, "lastcharmessage": ""} | dict.fromkeys(names, "")
    )
    assert [
        name
        for name in MACRO_NAMES
        if "{{"
        in expand(f"{{{{{name}}}}}", replace(context, texts={**context.texts, "lastmessage": ""}))
    ] == []
