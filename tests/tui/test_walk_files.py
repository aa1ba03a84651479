# SPDX-License-Identifier: Apache-2.0
"""A walk through export and import: a chat leaves one home and arrives in another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tui.walking import ALT_UP, DOWN, ENTER, ESC, Walk, ctrl, walk

pytestmark = pytest.mark.slow

FRANCE = "What is the capital of France?"
PARIS = "The capital of France is Paris."
CHATGPT = {
    "title": "从前的聊天",
    "create_time": 1700000000.0,
    "current_node": "c",
    "mapping": {
        "a": {"id": "a", "parent": None, "children": ["b"], "message": None},
        "b": {
            "id": "b",
            "parent": "a",
            "children": ["c", "d"],
            "message": {
                "author": {"role": "user"},
                "content": {"content_type": "text", "parts": ["春眠不觉晓的下一句？"]},
            },
        },
    },
}


def chatgpt_export(path: Path) -> Path:
    """A `conversations.json` as ChatGPT writes it, with two answers to one question."""
    chat = json.loads(json.dumps(CHATGPT))
    for name, text in (("c", "处处闻啼鸟。"), ("d", "夜来风雨声。")):
        content = {"content_type": "text", "parts": [text]}
        message = {"author": {"role": "assistant"}, "content": content}
        chat["mapping"][name] = {"id": name, "parent": "b", "children": [], "message": message}
    path.write_text(json.dumps([chat], ensure_ascii=False), encoding="utf-8")
    return path


def export(walking: Walk, command: str, path: Path) -> str:
    """Export the open chat with a command; returns what is in the file."""
    walking.press(f"/export {command}{path}")
    walking.type(ENTER)
    walking.until(path.is_file)
    walking.told("Written:")
    return path.read_text("utf-8")


def test_a_chat_is_exported_in_three_formats_and_read_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with walk(tmp_path / "first") as walking:
        walking.ask(FRANCE)
        walking.press(ALT_UP)
        walking.answered("r")
        walking.press("i")
        markdown = export(walking, "", out / "chat.md")
        assert FRANCE in markdown
        assert PARIS in markdown
        rows = export(walking, "training ", out / "rows.json")
        said = [turn["value"] for turn in json.loads(rows)[0]["conversations"]]
        assert said[-2:] == [FRANCE, PARIS]
        walking.press(ctrl("l"), ctrl("x"))
        walking.wait_for("─ Format ─", "JSON, with all branches; yuren reads it again")
        walking.press(DOWN, ENTER)
        walking.wait_for("─ Export ─", ".json")
        walking.press(ctrl("u"), str(out / "chat.json"))
        walking.type(ENTER)
        walking.told("Written:")
        walking.press(ESC)
        assert (out / "chat.json").is_file()
    with walk(tmp_path / "second") as walking:
        walking.press(ctrl("l"), ctrl("o"))
        walking.wait_for("─ Import ─", "SillyTavern")
        walking.press(str(out / "chat.json"))
        walking.type(ENTER)
        walking.told("Imported: 1. There already: 0.")
        walking.wait_for(f"{FRANCE}")
        walking.press(ENTER)
        walking.wait_for(f"▌ {PARIS}", "‹ 2/2 ›")  # with its branches
        walking.ask("And of Spain?")


def test_an_export_of_another_program_is_taken_in_with_its_branches(tmp_path: Path) -> None:
    file = chatgpt_export(tmp_path / "conversations.json")
    with walk(tmp_path / "home") as walking:
        walking.press(f"/import {file}", ENTER)
        walking.wait_for("Chats taken in: 1; there already: 0.", "/open ")
        walking.press(ESC, ctrl("l"))
        walking.wait_for("从前的聊天")
        walking.press(ENTER)
        walking.wait_for("▌ 春眠不觉晓的下一句？", "处处闻啼鸟。", "‹ 1/2 ›")
        walking.press(ALT_UP, "l")
        walking.wait_for("夜来风雨声。", "‹ 2/2 ›")
        walking.press("i", f"/import {tmp_path / 'none.json'}")
        walking.type(ENTER)
        walking.told("none.json", "No such file")
