# SPDX-License-Identifier: Apache-2.0
"""A walk through the settings, and through the chat in Chinese."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.tui.walking import ALT_UP, DOWN, ENTER, ESC, F2, F6, F9, F12, RIGHT, Walk, ctrl, walk

pytestmark = pytest.mark.slow

F1 = "\x1bOP"


def written(home: Path) -> dict[str, Any]:
    """What the settings file says."""
    return tomllib.loads((home / "config" / "config.toml").read_text("utf-8"))


def test_settings_are_changed_written_and_followed(tmp_path: Path) -> None:
    with walk(tmp_path) as walking:
        walking.press(F12)
        walking.wait_for("─ Settings ─", "Language", "‹ auto ›", "config.toml")
        walking.press(RIGHT, RIGHT)
        walking.wait_for("‹ zh ›")
        walking.press(DOWN, DOWN, RIGHT)
        walking.wait_for("High contrast       ‹ yes ›")
        walking.type(ctrl("s"))
        walking.told("Saved. Language, mouse and the first model change with the next start.")
        assert written(tmp_path)["interface"] == {"language": "zh", "high_contrast": True}
        walking.press(F12, *[DOWN] * 10, "小明")
        walking.type(ctrl("s"))
        walking.told("Saved; it holds from now on.")
        assert written(tmp_path)["person"] == {"name": "小明"}
        walking.ask("Hello")
        walking.wait_for("▌ 小明\n ▌ Hello")
    with walk(tmp_path, "--continue") as walking:
        walking.wait_for("▌ 小明\n ▌ Hello", "写点什么", "发送")


def test_a_wrong_setting_is_named_with_its_line(tmp_path: Path) -> None:
    config = tmp_path / "config" / "config.toml"
    config.parent.mkdir()
    config.write_text('[interface]\nlanguage = "en"\ntheme = 3\n\n[sampling]\ntop_q = 1\n')
    with walk(tmp_path) as walking:
        walking.told("config.toml, line 3", "theme cannot be 3", "line 6", "top_q")


def test_sampling_is_set_for_the_chat(tmp_path: Path) -> None:
    with walk(tmp_path) as walking:
        walking.press(F2)
        walking.wait_for("─ Sampling ─", "Temperature", "Stop strings")
        walking.press(ctrl("u"), "9")
        walking.wait_for("✕ 0 to 2; 0 takes the likeliest")
        walking.press(ctrl("u"), "1.5", ctrl("s"))
        walking.ask("Hello")
        chat = walking.last_chat()
        assert chat is not None
        assert chat.sampling is not None
        assert chat.sampling.temperature == 1.5


def test_the_chat_in_chinese(tmp_path: Path) -> None:
    with walk(tmp_path, "--lang", "zh") as walking:
        walking.wait_for("写点什么", "发送")
        walking.ask("法国的首都是哪里？")
        walking.wait_for("▌ 你\n ▌ 法国的首都是哪里？")
        chat = walking.last_chat()
        assert chat is not None
        assert "请用中文回答" in chat.system_prompt
        for key, words in (
            (F1, ("按键",)),
            (F2, ("温度",)),
            (F6, ("上下文", "系统提示")),
            (F9, ("预设", "守灯")),
            (F12, ("设置", "语言")),
            (ctrl("e"), ("系统提示", "预览")),
            (ctrl("l"), ("对话", "法国的首都是哪里？")),
            (ctrl("r"), ("法国的首都是哪里？",)),
        ):
            walking.press(key)
            walking.wait_for(*words)
            assert no_english(walking), walking.text
            walking.press(ESC)
            walking.wait_for("发送")
        walking.press(ALT_UP, ENTER)
        walking.wait_for("重新回答")
        walking.press(ESC)


def no_english(walking: Walk) -> bool:
    """Whether none of the words that stand on these panels in English is there."""
    words = ("Close", "Save", "Settings", "Presets", "Context", "System prompt", "Search", "Send")
    return not any(word in walking.text for word in words)
