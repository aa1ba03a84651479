# SPDX-License-Identifier: Apache-2.0
"""A walk through the prompt: slash commands, earlier prompts, an editor of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.walking import DOWN, ENTER, ESC, TAB, UP, Walk, ctrl, walk

pytestmark = pytest.mark.slow


def sampling(walking: Walk) -> object:
    """How the open chat draws its answers, as it is on the disk."""
    chat = walking.last_chat()
    return chat.sampling if chat else None


def test_commands_are_completed_and_do_what_they_say(tmp_path: Path) -> None:
    with walk(tmp_path) as walking:
        walking.ask("What is the capital of France?")
        walking.press("/")
        walking.wait_for("/new", "begin a new conversation", "/chats")
        walking.press("ti")
        walking.wait_for("/title", "give the chat a title")
        walking.press(TAB)
        walking.wait_for("│ /title")
        walking.press("巴黎")
        walking.type(ENTER)
        walking.told("The chat is called: 巴黎")
        walking.wait_for("#1")
        walking.press("/set te", TAB)
        walking.wait_for("│ /set temperature")
        walking.press("0.5", ENTER)
        walking.until(lambda: getattr(sampling(walking), "temperature", None) == 0.5)
        walking.press("/retri Paris")
        walking.type(ENTER)
        walking.told("there is no command /retri", "Did you mean /retry?")
        walking.wait_for("│ /retri Paris")
        walking.press(ctrl("u"), "/retry")
        walking.answered(ENTER)
        walking.wait_for("‹ 2/2 ›")
        walking.press("/swipe -", ENTER)
        walking.wait_for("‹ 1/2 ›")
        walking.press("/preset poet")
        walking.type(ENTER)
        walking.told("From here on, the model is Poet.")
        walking.press("/help", ENTER)
        walking.wait_for("/export [FORMAT] FILE", "write the chat: markdown, json, training")
        walking.press(ESC)
        walking.press("//not a command")
        walking.answered(ENTER)
        walking.wait_for("▌ /not a command")
        walking.press("/chats capital")
        walking.press(ENTER)
        walking.wait_for("─ Chats ─", "巴黎")
        walking.press(ESC)


def test_earlier_prompts_are_searched_and_the_draft_is_kept(tmp_path: Path) -> None:
    with walk(tmp_path) as walking:
        walking.ask("What is 1+1?")
        walking.ask("白鹭是什么鸟？")
    with walk(tmp_path) as walking:  # another start, another chat
        walking.press("my draft", UP)
        walking.wait_for("│ 白鹭是什么鸟？")
        walking.press(UP)
        walking.wait_for("│ What is 1+1?")
        walking.press(DOWN, DOWN)
        walking.wait_for("│ my draft")
        walking.press(ctrl("r"))
        walking.wait_for("Earlier prompts", "What is 1+1?", "白鹭是什么鸟？")
        walking.press("鹭")
        walking.gone("What is 1+1?")
        walking.press(ENTER)
        walking.wait_for("│ 白鹭是什么鸟？")
        walking.press(DOWN)
        walking.wait_for("│ my draft")


def test_a_message_is_written_in_an_editor_of_ones_own(tmp_path: Path) -> None:
    editor = tmp_path / "my editor"
    editor.write_text('#!/bin/sh\nprintf "\\nsecond line 第二行" >> "$2"\n')
    editor.chmod(0o755)
    command = {"VISUAL": "", "EDITOR": f"'{editor}' --wait"}
    with walk(tmp_path / "home", env=command) as walking:
        walking.press("first line", ctrl("g"))
        walking.wait_for("│ first line", "│ second line 第二行")
        walking.answered(ENTER)
        assert walking.messages()[0].text == "first line\nsecond line 第二行"
    with walk(tmp_path / "home", env={"VISUAL": "/nowhere/vim"}) as walking:
        walking.press("kept")
        walking.type(ctrl("g"))
        walking.told("there is no editor /nowhere/vim")
        walking.wait_for("│ kept")
