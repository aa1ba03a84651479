# SPDX-License-Identifier: Apache-2.0
"""A walk through the models: which there are, and another one without leaving."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import make_text_model
from tests.tui.walking import ENTER, ESC, F2, F10, Walk, ctrl, starter, walk
from yuren_core.starter import STARTER_NAME

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which the starter and a tiny model are installed."""
    models = tmp_path / "data" / "models"
    models.mkdir(parents=True)
    (models / STARTER_NAME).symlink_to(starter())
    make_text_model(models / "tiny")
    return tmp_path


def choose(walking: Walk, name: str) -> None:
    """Load another model with the picker."""
    walking.press(F10)
    walking.wait_for("─ Model ─", "Precision")
    walking.press(name)
    walking.type(ENTER)


def test_another_model_answers_and_the_first_again(home: Path) -> None:
    with walk(home, model=home / "data" / "models" / STARTER_NAME) as walking:
        walking.ask("What is the capital of France?")
        walking.press(F10)
        walking.wait_for(f"● {STARTER_NAME}  text only  0.3 GB", "tiny  text only", "‹ auto ›")
        walking.press(ESC)
        choose(walking, "tiny")
        walking.told("tiny answers from now on.")
        walking.wait_for("● tiny", seconds=60)
        walking.ask("And of Spain?")
        assert [message.model for message in walking.messages()[1::2]] == [STARTER_NAME, "tiny"]
        walking.press(F10, STARTER_NAME[:6], F2, F2, F2)
        walking.wait_for("‹ 8bit ›")
        walking.type(ENTER)
        walking.wait_for(f"● {STARTER_NAME}  8bit", seconds=60)
        walking.ask("And of Italy?")
        assert walking.messages()[-1].model == STARTER_NAME


def test_a_model_that_cannot_be_loaded_leaves_the_one_before(home: Path) -> None:
    with walk(home, model=home / "data" / "models" / "tiny") as walking:
        walking.press(F10, "/nowhere/model")
        walking.wait_for("Directory: /nowhere/model", "no longer there")
        walking.type(ENTER)
        walking.wait_for("there is no model directory /nowhere/model", seconds=60)
        walking.told("It did not load; the model from before is loaded again.")
        walking.wait_for("● tiny", seconds=60)
        walking.ask("Hello")
        walking.press(F10, ctrl("u"), "owner/name")
        walking.wait_for("From the hub, downloaded where it is not here yet: owner/name")
        walking.press(ESC)
