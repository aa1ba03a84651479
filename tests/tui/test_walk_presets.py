# SPDX-License-Identifier: Apache-2.0
"""A walk through the presets: choose, look, make, change, share; and characters with lore."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.walking import ALT_UP, DOWN, ENTER, ESC, F8, F9, LEFT, RIGHT, Walk, ctrl, walk

pytestmark = pytest.mark.slow

SEARCH = "Search by name, description or tag"


def pick(walking: Walk, name: str) -> None:
    """Open the picker and search."""
    walking.press(F9)
    walking.wait_for(SEARCH)
    walking.press(name)


def test_a_character_greets_answers_and_knows_its_lore(tmp_path: Path) -> None:
    with walk(tmp_path) as walking:
        walking.press(F9)
        walking.wait_for("Assistant  from yuren", "▀▀▀▀▀▀", "System prompt")
        walking.press(DOWN)
        walking.wait_for("Tock", "Character", "Personality")  # the preview follows
        walking.press("窗外")
        walking.wait_for("No preset has this in it.")
        walking.press(ctrl("u"), "守灯")  # in the other language too
        walking.wait_for("Shen Du, lighthouse keeper  from yuren", "Lone Goose Rock")
        walking.gone("Tock")
        walking.press(ENTER)
        walking.wait_for("▌ Shen Du  ‹ 1/2 ›", "The door gives at the third push.")
        walking.press(ALT_UP, RIGHT)
        walking.wait_for("█ Shen Du  ‹ 2/2 ›", "█ Fog. The horn above you")
        walking.press(LEFT)
        walking.wait_for("█ Shen Du  ‹ 1/2 ›", "The door gives at the third push.")
        walking.press("i")
        walking.ask("Who is Bosun?")
        walking.wait_for("▌ You\n ▌ Who is Bosun?")
        [greeting, _, answer] = walking.messages()
        assert greeting.text.startswith("*The door gives")
        assert answer.text
        walking.press(F8)
        walking.wait_for(
            "Told now", "● Bosun", "key “ledger”  in message 1", "Not spoken of", "○ The winter of"
        )
        walking.press(ESC)
        chat = walking.last_chat()
        assert chat is not None
        assert walking.preset(chat)["id"] == "lighthouse-keeper"


def test_presets_are_copied_made_edited_deleted_and_shared(tmp_path: Path) -> None:
    editor, own, card = tmp_path / "editor", tmp_path / "config" / "presets", tmp_path / "muse.png"
    editor.write_text("""#!/bin/sh\nsed -i 's/My Muse/我的缪斯/' "$1"\n""")
    editor.chmod(0o755)
    with walk(tmp_path, env={"VISUAL": str(editor)}) as walking:
        pick(walking, "poet")
        walking.wait_for("Poet  from yuren", "You are a poet.")
        walking.press(ctrl("d"))
        walking.wait_for("Poet 2  yours")
        assert (own / "poet-2.toml").is_file()
        walking.type(F8)
        walking.told("poet-2 is deleted; Ctrl+Z brings it back.")
        walking.gone("Poet 2  yours")
        assert not (own / "poet-2.toml").exists()
        walking.press(ctrl("z"))
        walking.wait_for("Poet 2  yours")
        walking.press(ctrl("s"))
        walking.wait_for("Export", "poet-2.png")
        walking.press(ctrl("u"), str(card))
        walking.type(ENTER)
        walking.told("Written:")
        assert card.read_bytes().startswith(b"\x89PNG")

        walking.press(ctrl("u"), ctrl("n"))
        walking.wait_for("What is it to be called?")
        walking.press("My Muse")
        walking.type(ENTER)
        walking.told("My Muse is there; Ctrl+G edits it.")
        walking.wait_for("My Muse  yours")
        walking.press(ctrl("g"))
        walking.wait_for("我的缪斯  yours")
        walking.type(ctrl("t"))
        walking.told("From here on: 我的缪斯")


def test_presets_and_cards_are_named_on_the_command_line(tmp_path: Path) -> None:
    card = tmp_path / "keeper.png"
    with walk(tmp_path, "--preset", "lighthouse-keeper") as walking:
        walking.wait_for("▌ Shen Du  ‹ 1/2 ›", "The door gives at the third push.")
        pick(walking, "lighthouse")
        walking.press(ctrl("s"), ctrl("u"), str(card))
        walking.type(ENTER)
        walking.told("Written:")
        walking.press(ESC)
    with walk(tmp_path / "other", "--preset", str(card)) as walking:
        walking.wait_for("▌ Shen Du", "‹ 1/2 ›", "The door gives at the third push.")
        walking.ask("Where is the cat?")
        walking.press(F8)
        walking.wait_for("Told now", "● Bosun")  # the lorebook came along in the picture
        walking.press(ESC)
    with walk(
        tmp_path, "--preset", "lighthouse-keeper", "--lang", "zh", "--user", "小明"
    ) as walking:
        walking.wait_for("▌ 沈渡", "‹ 1/2 ›")
