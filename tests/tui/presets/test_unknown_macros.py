# SPDX-License-Identifier: Apache-2.0
"""Variables that nobody knows are named, with those that there are; others never."""

from __future__ import annotations

import re

import pytest

from yuren_core.i18n import use_language
from yuren_tui.presets import (
    MACRO_NAMES,
    Lorebook,
    LoreEntry,
    Preset,
    PresetLibrary,
    PresetText,
    short_warning_of,
    unknown_in,
    unknown_macros,
    warning_of,
)
from yuren_tui.prompt_desk import VARIABLES


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("{{usr}} and {{ usr }}, {{usr}}", ("{{usr}}", "{{ usr }}")),
        ("{{getvar::mood}} {{time_UTC+2}}", ("{{getvar::mood}}", "{{time_UTC+2}}")),
        ("{{roll:many}} {{random}}", ("{{roll:many}}", "{{random}}")),
        ("{{random:{{usr}},b}} {{reverse:{{user}}}}", ("{{usr}}",)),
        ("{{User}} {{ CHAR }} <USER> {{lastMessageId}} {{roll 2d6}} {{pick::a::b}}", ()),
        ("{ {user} } {{user}", ()),
        ("", ()),
    ],
)
def test_what_is_unknown(text: str, unknown: tuple[str, ...]) -> None:
    assert unknown_macros(text) == unknown


def test_every_macro_that_help_names_is_known() -> None:
    assert unknown_macros(" ".join(f"{{{{{name}}}}}" for name in MACRO_NAMES)) == ()


def test_our_own_presets_have_none() -> None:
    for preset in PresetLibrary().presets():
        assert [unknown_in(preset, language) for language in ("en", "zh")] == [(), ()]


def test_all_that_a_preset_says_is_looked_at() -> None:
    text = PresetText(
        system="{{a}}",
        greeting="{{b}} {{a}}",
        alternate_greetings=("{{c}}",),
        lorebook=Lorebook(entries=(LoreEntry(content="{{d}}"),)),
        notes="{{never told}}",
    )
    assert unknown_in(Preset("x", text), "en") == ("{{a}}", "{{b}}", "{{c}}", "{{d}}")


def test_a_warning_names_the_nearest_known_one_first() -> None:
    use_language("en")
    assert warning_of(()) == ""
    said = warning_of(("{{dat}}", "{{usr}}"))
    assert said.startswith("{{dat}}, {{usr}} stays")
    assert "There are {{date}}, {{user}}, {{char}}" in said
    assert "…" in warning_of(tuple(f"{{{{{n}}}}}" for n in range(9)))
    use_language("zh")
    assert "没有这样的变量" in warning_of(("{{usr}}",))


def test_the_editor_names_few_words_and_lists_all_that_a_warning_names() -> None:
    use_language("en")
    assert short_warning_of(()) == ""
    said = short_warning_of(("{{usr}}", "{{" + "x" * 50 + "}}", "{{c}}"))
    assert said.startswith("{{usr}}, {{xxxxxxxxxxxxxxxxxxxxx… … stays as it is written")
    assert said.endswith("Is {{user}} meant?")
    assert len(said) < 160
    named = set(re.findall(r"\{\{(\w+)\}\}", warning_of(("{{bogus}}",)))) - {"bogus"}
    assert named <= set(VARIABLES)
