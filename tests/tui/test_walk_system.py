# SPDX-License-Identifier: Apache-2.0
"""A walk through the editor of the system prompt."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.walking import ENTER, ESC, F4, Walk, ctrl, walk
from yuren_core.starter import STARTER_NAME

pytestmark = pytest.mark.slow


def told(walking: Walk) -> str:
    """The system prompt of the open chat, as it is on the disk."""
    chat = walking.last_chat()
    return chat.system_prompt if chat else ""


def test_the_system_prompt_is_written_compared_and_brought_back(tmp_path: Path) -> None:
    with walk(tmp_path, "--user", "小明") as walking:
        walking.ask("Hello")
        first = told(walking)
        walking.press(ctrl("e"))
        walking.wait_for("System prompt", "{{weekday}}", "Preview", f"{STARTER_NAME}. Today")
        walking.type(" Be kind to {{user}}.")
        walking.wait_for("● not saved yet", "Be kind to 小明.")  # the preview, expanded
        walking.press(F4)
        walking.wait_for("{{user}}  小明", f"{{{{model}}}}  {STARTER_NAME}", "{{time}}  ")
        walking.press(F4)
        walking.wait_for("This chat has had no other system prompt.")
        walking.press(F4)
        walking.wait_for("Against the preset (Assistant):", "- You are a", "+ You are a")
        walking.press(ESC)
        walking.told("The unsaved text is kept; Ctrl+E goes on with it.")
        assert told(walking) == first
        walking.press(ctrl("e"))
        walking.wait_for("Be kind to {{user}}.", "● not saved yet")
        walking.press(ctrl("s"))
        walking.told("From the next message on, the model is told this.")
        walking.until(lambda: told(walking) == f"{first} Be kind to {{{{user}}}}.")
        walking.ask("And now?")

        walking.press(ctrl("e"), F4, F4)
        walking.wait_for("{{weekday}}, {{date}}.", "History", " tokens")
        walking.press("\t\t", ENTER)  # the text of before, from the list
        walking.wait_for("● not saved yet")
        walking.press(F4)
        walking.wait_for("The same as the preset says (Assistant).")
        walking.press(ctrl("s"))
        walking.until(lambda: told(walking) == first)


def test_an_empty_prompt_and_the_presets_own(tmp_path: Path) -> None:
    with walk(tmp_path) as walking:
        walking.press(ctrl("e"), "\x1b[18~", "\x7f")  # F7 selects all
        walking.wait_for("The model is told nothing first.", "0 tokens")
        walking.press(ctrl("r"))
        walking.wait_for(f"{STARTER_NAME}. Today")
        walking.gone("● not saved yet")
        walking.press(ESC)
