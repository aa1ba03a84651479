# SPDX-License-Identifier: Apache-2.0
"""A walk with pictures, through a tiny model that has a vision tower, and one that has none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tiny import IMAGE_TOKENS, make_multimodal_model
from tests.tui.walking import ALT_O, ALT_UP, DOWN, ENTER, ESC, Walk, ctrl, walk
from yuren_core.shipped import assets_dir

pytestmark = pytest.mark.slow

SHIFT_TAB = "\x1b[Z"
COST = f"{IMAGE_TOKENS + 2} tokens"
BLOCKS = "▀" * 16


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with a vision tower."""
    return make_multimodal_model(tmp_path_factory.mktemp("models") / "seeing")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A directory with two pictures and something that is none."""
    directory = tmp_path / "我的 pictures"
    directory.mkdir()
    shutil.copy(assets_dir() / "pictures" / "cat.png", directory / "a cat.png")
    shutil.copy(assets_dir() / "presets" / "poet.png", directory / "poet.png")
    (directory / "notes.txt").write_text("no picture")
    return directory


def drop(walking: Walk, text: str) -> None:
    """What a terminal sends when a file is dropped on it."""
    walking.press(f"\x1b[200~{text}\x1b[201~")


def test_pictures_are_dropped_removed_sent_and_looked_at(
    tmp_path: Path, seeing: Path, pictures: Path
) -> None:
    with walk(tmp_path / "home", model=seeing) as walking:
        drop(walking, f"'{pictures / 'a cat.png'}'")
        walking.wait_for("a cat.png", COST)
        drop(walking, (pictures / "poet.png").as_uri())
        walking.wait_for("a cat.png", "poet.png")
        walking.press(SHIFT_TAB)
        walking.wait_for("Take away", "Look at it large")
        walking.press("x")
        walking.gone("poet.png")
        walking.press("What is this?")
        walking.answered(ENTER)
        walking.wait_for(f"▌ {BLOCKS}", f"▌ a cat.png · {COST}", "▌ What is this?")
        [asked, _] = walking.messages()
        [image] = asked.images
        assert Path(image.path).read_bytes() == (pictures / "a cat.png").read_bytes()
        walking.press(ALT_O)
        walking.wait_for("512 × 512  ·  PNG", "half blocks", "fits the window", "▀" * 30)
        walking.press("z")
        walking.wait_for("a pixel for a pixel")
        walking.press(ESC)
        walking.wait_for("▌ What is this?")
        before = walking.messages()[-1].stats["prompt_tokens"]
        walking.ask("And now?")  # the picture stays in what the model sees
        assert walking.messages()[-1].stats["prompt_tokens"] > before
    with walk(tmp_path / "home", "--continue", "--images", "off", model=seeing) as walking:
        walking.wait_for("▌ a cat.png", "▌ And now?")
        assert BLOCKS not in walking.text


def test_a_picture_is_chosen_among_files(tmp_path: Path, seeing: Path, pictures: Path) -> None:
    with walk(tmp_path / "home", model=seeing) as walking:
        walking.press(ctrl("o"))
        walking.wait_for("Attach a picture", "Type or paste a path")
        walking.press(ctrl("l"), ctrl("u"), str(pictures), ENTER)
        walking.wait_for("我的 pictures", "a cat.png", "poet.png")
        assert "notes.txt" not in walking.text
        walking.press(DOWN)
        walking.wait_for("512 × 512  PNG", BLOCKS)
        walking.press(ENTER)
        walking.wait_for("a cat.png", COST, "│ Write a message")
        walking.press(ctrl("o"), ctrl("l"), ctrl("u"), str(pictures / "none.png"))
        walking.type(ENTER)
        walking.told("there is no file", "Check the name")
        walking.press("/image ", str(pictures / "poet.png"), ENTER)
        walking.wait_for("a cat.png", "poet.png")
        walking.answered(ENTER)
        [asked, _] = walking.messages()
        assert asked.text == "Describe these pictures."
        assert len(asked.images) == 2


def test_a_blind_model_says_so_before_anything_is_sent(tmp_path: Path, pictures: Path) -> None:
    with walk(tmp_path / "home", "--image", str(pictures / "a cat.png")) as walking:
        walking.wait_for("a cat.png", "cannot be seen")
        walking.press("What is this?")
        walking.type(ENTER)
        walking.told("SmolLM2-135M-Instruct cannot see pictures")
        walking.wait_for("│ What is this?")
        assert walking.messages() == []
        walking.press(SHIFT_TAB, "x")
        walking.gone("a cat.png")
        walking.answered(ENTER)
        walking.press(ALT_UP)
        walking.wait_for("█ SmolLM2-135M-Instruct")
