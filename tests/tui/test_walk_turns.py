# SPDX-License-Identifier: Apache-2.0
"""A walk through what can be done to messages, with single keys, and the branches it makes."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from tests.tui.walking import ALT_UP, ENTER, ESC, F3, LEFT, RIGHT, Walk, ctrl, walk

pytestmark = pytest.mark.slow

FRANCE, SPAIN = "What is the capital of France?", "What is the capital of Spain?"
PARIS = "The capital of France is Paris."
CODE = "Two ways:\r```python\rprint(1)\r```\rand\r```sh\recho 1\r```"
CUT = "cut at the longest answer"


def paste(text: str) -> str:
    """A text as a terminal pastes it."""
    return f"\x1b[200~{text}\x1b[201~"


def said(walking: Walk) -> list[str]:
    """What the open chat says from its first message to its last, as it is on the disk."""
    return [message.text for message in walking.messages()]


def osc52(text: str) -> str:
    """How a program hands a text to the terminal's clipboard."""
    return f"\x1b]52;c;{b64encode(text.encode()).decode()}"


def test_edit_retry_and_swipe_make_branches_that_stay(tmp_path: Path) -> None:
    with walk(tmp_path) as walking:
        walking.ask(FRANCE)
        walking.press(ALT_UP, "k", "s")
        walking.wait_for("█ You", "Editing, to be sent again")
        walking.press(ctrl("u"), SPAIN)
        walking.answered(ENTER)
        walking.wait_for("▌ You  ‹ 2/2 ›", f"▌ {SPAIN}", "█ SmolLM2-135M-Instruct")
        walking.press("k", LEFT)
        walking.wait_for("█ You  ‹ 1/2 ›", f"█ {FRANCE}", f"▌ {PARIS}")
        assert said(walking) == [FRANCE, PARIS]
        walking.press(RIGHT, "j")
        walking.answered("r")
        walking.wait_for("▌ You  ‹ 2/2 ›", "█ SmolLM2-135M-Instruct  ‹ 2/2 ›")
        walking.press("h")
        walking.wait_for("█ SmolLM2-135M-Instruct  ‹ 1/2 ›")
        walking.press("e")
        walking.wait_for("─ Editing ─")
        walking.press(ctrl("u"), "马德里 is the capital.", ENTER)
        walking.wait_for("█ SmolLM2-135M-Instruct  ‹ 3/3 ›", "█ 马德里 is the capital.")
        assert said(walking) == [SPAIN, "马德里 is the capital."]
        walking.press(F3)
        walking.wait_for("Tree", "6 messages", FRANCE, PARIS, "马德里")
        walking.press("k" * 8, "j", ENTER)
        walking.wait_for("▌ You  ‹ 1/2 ›", f"█ {PARIS}")
        assert said(walking) == [FRANCE, PARIS]


def test_a_cut_answer_is_written_on(tmp_path: Path) -> None:
    with walk(tmp_path, "--max-new-tokens", "6") as walking:
        walking.ask("Count from one to twenty, in words.")
        walking.wait_for(CUT)
        [_, cut] = said(walking)
        walking.press(ALT_UP)
        walking.answered("c")
        walking.wait_for("█ SmolLM2-135M-Instruct")
        [_, longer] = said(walking)
        assert longer.startswith(cut)
        assert len(longer) > len(cut)


def test_delete_copy_and_quote(tmp_path: Path) -> None:
    with walk(tmp_path, env={"DISPLAY": "", "WAYLAND_DISPLAY": ""}) as walking:
        walking.ask(FRANCE)
        walking.press(ALT_UP, "d")
        walking.told("Deleted messages: 1")
        walking.wait_for("u Undelete")
        assert said(walking) == [FRANCE]
        walking.press("u")
        walking.wait_for(f"█ {PARIS}")
        assert said(walking) == [FRANCE, PARIS]
        walking.type("y")
        walking.told(f"clipboard: {len(PARIS)} characters")
        assert osc52(PARIS) in walking.output
        walking.press("e", ctrl("u"), paste(CODE), ENTER)
        walking.wait_for("█ Two ways:", "print(1)", "echo 1")
        walking.press("b")
        walking.wait_for("Copy which code block?", "python · 1 lines", "sh · 1 lines")
        walking.press("2")
        walking.until(lambda: osc52("echo 1") in walking.output)
        walking.press("h", "q")
        walking.wait_for(f"│ > {PARIS}")
        walking.press(ctrl("u"))
        walking.press(ALT_UP, ENTER)
        walking.wait_for("Answer again", "Write on where it ends", "Quote in the prompt")
        walking.press(ESC)
