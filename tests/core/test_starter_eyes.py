# SPDX-License-Identifier: Apache-2.0
"""What the starter sees, where it is installed: its answers come from the picture."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from yuren_core import starter
from yuren_core.images import image_part
from yuren_core.inference.engine import Engine
from yuren_core.messages import Message, Role, TextPart
from yuren_core.model.loading import load_model
from yuren_core.prompt import prompt_items
from yuren_core.protocol import Delta
from yuren_core.sampling_params import SamplingParams
from yuren_core.shipped import assets_dir

pytestmark = pytest.mark.skipif(
    not starter.is_installed() or starter.shipped_eyes() is None,
    reason="the starter model is not installed, or has no eyes (make starter)",
)

DIRECTORY = starter.starter_dir()  # the person's own; tests have a home of their own
GREEDY = SamplingParams(temperature=0, repetition_penalty=1, max_new_tokens=40)
CAT = assets_dir() / "pictures" / "cat.png"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_model(str(DIRECTORY), load="bf16", device="cpu"))


def ask(engine: Engine, picture: Path, question: str) -> str:
    parts = (image_part(picture), TextPart(question))
    events = engine.generate(prompt_items([Message(Role.USER, parts)]), GREEDY)
    return "".join(event.text for event in events if isinstance(event, Delta)).lower()


def saved(directory: Path, name: str, image: Image.Image) -> Path:
    image.save(directory / name)
    return directory / name


def test_a_cat_is_a_cat_and_nothing_is_none(engine: Engine, tmp_path: Path) -> None:
    known = tomllib.loads((assets_dir() / "starter" / "concepts.toml").read_text(encoding="utf-8"))
    blank = saved(tmp_path, "blank.png", Image.new("RGB", (96, 96), "white"))
    seen, unseen = (ask(engine, picture, "What is this?") for picture in (CAT, blank))
    assert "cat" in seen.rstrip(".").split(), seen
    assert not any(animal in unseen.split() for animal in known["animal"]), unseen


def test_the_colour_is_the_grounds(engine: Engine, tmp_path: Path) -> None:
    answers = {}
    for colour in ("red", "green", "blue", "yellow"):
        image = Image.new("RGB", (96, 96), colour)
        ImageDraw.Draw(image).ellipse((34, 34, 62, 62), fill="white", outline="black")
        picture = saved(tmp_path, f"{colour}.png", image)
        answers[colour] = ask(engine, picture, "What color is the background?")
    assert all(colour in answer for colour, answer in answers.items()), answers


def test_another_picture_in_its_place_changes_the_answer(engine: Engine, tmp_path: Path) -> None:
    image = Image.new("RGB", (96, 96), "skyblue")
    draw = ImageDraw.Draw(image)
    draw.ellipse((33, 20, 63, 50), fill="white", outline="gray")
    draw.ellipse((25, 45, 71, 91), fill="white", outline="gray")
    draw.polygon(((48, 35), (62, 38), (48, 40)), fill="orange")
    for x in (42, 53):
        draw.ellipse((x - 2, 28, x + 2, 32), fill="black")
    other = saved(tmp_path, "other.png", image)
    assert ask(engine, CAT, "Describe the picture.") != ask(engine, other, "Describe the picture.")
