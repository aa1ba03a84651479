# SPDX-License-Identifier: Apache-2.0
"""A walk through the context: how full it is, what the next message pushes out, and pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import make_text_model
from tests.tui.walking import ALT_UP, ESC, F6, Walk, walk

pytestmark = pytest.mark.slow

POEMS = ("床前明月光，疑是地上霜。", "举头望明月，低头思故乡。", "春眠不觉晓，处处闻啼鸟。")


def meter(walking: Walk) -> str:
    """What the meter's panel says."""
    walking.press(F6)
    walking.wait_for("─ Context ─", "Room for the answer", " tokens  ")
    text = walking.text
    walking.press(ESC)
    walking.wait_for("f1 Help")
    return text


def test_the_meter_says_what_fills_the_context(tmp_path: Path) -> None:
    with walk(tmp_path, "--system", "Answer in one word.") as walking:
        walking.ask("What is the capital of France?")
        walking.wait_for("/8192")
        shown = meter(walking)
        for part in ("System prompt", "Conversation", "Room for the answer", "Free"):
            assert part in shown
        assert "of 8192 tokens" in shown
        assert "The next message pushes nothing out." in shown


def test_what_is_pinned_stays_while_others_are_pushed_out(tmp_path: Path) -> None:
    model = make_text_model(tmp_path / "tiny")  # 512 tokens, a Chinese character about three
    with walk(tmp_path / "home", "--system", "Be brief.", model=model) as walking:
        for poem in POEMS:
            walking.ask(poem)
        assert "pushes nothing out" in meter(walking)
        walking.type("再写一首。" * 28)
        walking.wait_for(" leave")
        shown = meter(walking)
        assert "The next message pushes out" in shown
        assert POEMS[0] in shown.partition("The next message pushes out")[2]

        walking.press(ALT_UP, "g", "p")
        walking.wait_for("pinned")
        assert walking.messages()[0].is_pinned
        walking.press("i")
        shown = meter(walking).partition("The next message pushes out")[2]
        left, _, pinned = shown.partition("Pinned, always told")
        assert POEMS[0] not in left
        assert POEMS[0] in pinned
        walking.answered("\r")
        walking.told("older turns are no longer told to the model.")
        assert walking.messages()[-1].stats["dropped_turns"] > 0
