# SPDX-License-Identifier: Apache-2.0
"""A greeting to somebody without a name: "you" where they are told of, "friend" where called."""

from __future__ import annotations

from datetime import datetime

import pytest

from yuren_tui.presets import Preset, PresetText, greetings


def greeted(text: str, language: str, name: str = "") -> str:
    preset = Preset("x", texts={language: PresetText(greeting=text)})
    (said,) = greetings(
        preset, user_name=name, model="m", language=language, now=datetime(2025, 5, 3), seed=0
    )
    return said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("晚上好，{{user}}。坐吧。", "晚上好，朋友。坐吧。"),
        ("你好{{user}}！", "你好朋友！"),
        ("“{{user}}，”他说，“你来了。”", "“朋友，”他说，“你来了。”"),
        ("{{user}}？是{{user}}吗？", "朋友？是你吗？"),
        ("{{user}}推门进来，他看了{{user}}一眼。", "你推门进来，他看了你一眼。"),
        ("欢迎{{user}}！", "欢迎你！"),
    ],
)
def test_chinese_greetings_read_well_without_a_name(text: str, said: str) -> None:
    assert greeted(text, "zh") == said
    assert greeted(text, "zh", "小明") == text.replace("{{user}}", "小明")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Good evening, {{user}}. Sit down.", "Good evening, friend. Sit down."),
        ("Hello {{user}}!", "Hello friend!"),
        ('*looks up* "<USER>?" she asks.', '*looks up* "friend?" she asks.'),
        ("I have waited for {{user}}.", "I have waited for you."),
        ("So, {{user}}: what now?", "So, friend: what now?"),
    ],
)
def test_english_greetings_read_well_without_a_name(text: str, said: str) -> None:
    assert greeted(text, "en") == said
    assert greeted(text, "en", "Ann") == text.replace("{{user}}", "Ann").replace("<USER>", "Ann")
