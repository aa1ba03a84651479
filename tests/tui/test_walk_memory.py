# SPDX-License-Identifier: Apache-2.0
"""A walk through the memory: the list of chats, all it can do, and the options that open a chat."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.walking import BACKSPACE, ENTER, ESC, F2, F4, Walk, ctrl, walk
from yuren_tui.store import Store

pytestmark = pytest.mark.slow

FRANCE, CHINA, NOTES = "What is the capital of France?", "中国的首都是哪里？", "巴黎笔记"
OPEN = ctrl("l")


def listed(walking: Walk) -> list[str]:
    """The titles in the list of chats, from above, once they have come to rest."""
    walking.rest(0.5)
    lines = [line.partition("│")[2].strip() for line in walking.text.splitlines()]
    return [title for line in lines for title in (FRANCE, CHINA, NOTES) if line.startswith(title)]


def two_chats(walking: Walk) -> None:
    """One in English, then one in Chinese."""
    walking.ask(FRANCE)
    walking.wait_for("#1", "▌ The capital of France is Paris.")
    walking.press(ctrl("n"))
    walking.gone("Paris")
    walking.ask(CHINA)
    walking.wait_for("#2", f"▌ {CHINA}")


def test_chats_are_listed_and_found_by_what_was_said(tmp_path: Path) -> None:
    with walk(tmp_path) as walking:
        two_chats(walking)
        walking.type(OPEN)
        walking.wait_for("Search titles and everything that was said", "2 messages · #2 · open")
        assert listed(walking) == [CHINA, FRANCE]  # named by what was asked first
        walking.type("首都")  # shorter than a trigram
        walking.gone(FRANCE)
        assert listed(walking) == [CHINA]
        walking.type("在月亮上")
        walking.wait_for("Nothing found.")
        walking.press(BACKSPACE * 6, "国的首")
        assert listed(walking) == [CHINA]
        walking.press(ctrl("u"))
        walking.type("paris")  # stands in the answer alone
        walking.wait_for("Assistant  The capital of France is Paris.")
        assert listed(walking) == [FRANCE]
        walking.type(ENTER)
        walking.wait_for("#1", "█ The capital of France is Paris.")  # on the message found
        walking.press(ESC, F4)
        walking.wait_for("#2", f"▌ {CHINA}")


def test_a_chat_is_renamed_put_away_and_deleted_and_comes_back(tmp_path: Path) -> None:
    with walk(tmp_path) as walking:
        two_chats(walking)
        walking.press(OPEN, F2)
        walking.wait_for("Title", "Empty: named by the conversation")
        walking.press(ctrl("u"), NOTES, ENTER)
        assert listed(walking) == [NOTES, FRANCE]
        walking.type(ctrl("a"))
        walking.told(f"“{NOTES}” is put away.")
        assert listed(walking) == [FRANCE]
        walking.type(ctrl("t"))
        walking.wait_for("Archived chats", "· archived")
        assert listed(walking) == [NOTES]
        walking.type(ctrl("a"))
        walking.wait_for("No archived chats.")
        walking.press(ctrl("t"))
        assert listed(walking) == [NOTES, FRANCE]
        walking.type(ctrl("d"))
        walking.told(f"“{NOTES}” is deleted.")
        assert listed(walking) == [FRANCE]
        with Store.open(tmp_path / "data") as store:
            assert store.chats.get(2).is_deleted
        walking.type(ctrl("z"))
        walking.gone("Undelete")
        assert listed(walking) == [NOTES, FRANCE]
        with Store.open(tmp_path / "data") as store:
            kept = store.chats.get(2)
            assert (kept.title, kept.is_deleted, kept.is_archived) == (NOTES, False, False)
        walking.press(ESC)


def test_options_open_the_last_chat_and_any(tmp_path: Path) -> None:
    with walk(tmp_path) as walking:
        two_chats(walking)
        walking.press("half a sentence")
    with walk(tmp_path, "--continue") as walking:
        walking.wait_for("#2", f"▌ {CHINA}", "│ half a sentence")
    with walk(tmp_path, "--chat", "1") as walking:
        walking.wait_for("#1", "▌ The capital of France is Paris.")
        walking.ask("And of Spain?")
        asked = [(message.role.value, message.text) for message in walking.messages()]
        assert asked[2] == ("user", "And of Spain?")
        assert len(asked) == 4
