# SPDX-License-Identifier: Apache-2.0
"""Answers are judged rightly: by what they name first, and by the word that decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.recipes.starter.tiny_art import flat_sprites
from yuren_core.model.loading import load_model
from yuren_train.recipes.starter import scores
from yuren_train.recipes.starter.questions import Question, Subject
from yuren_train.recipes.starter.scenes import Place, Scene
from yuren_train.recipes.starter.scores import WANTED, Asked, examine, named, summary

SCENE = Scene((0,), (Place(0.5, 0.5, 0.8),), 0)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("A pine tree.", "pine tree"),
        ("A tree and a pine tree.", "tree"),
        ("This is a teddy bear on a red background.", "teddy bear"),
        ("ICE CREAM", "ice cream"),
        ("A cat on an orange background.", "cat"),
        ("Sunglasses.", "sunglasses"),
        ("A caterpillar, or a catalogue.", None),
        ("I do not know.", None),
        ("", None),
    ],
)
def test_the_first_thing_named_counts(answer: str, name: str | None) -> None:
    assert named(answer) == name


def asked(subject: Subject, key: str, answer: str) -> Asked:
    return Asked(SCENE, Question(subject, "?", "", key), answer)


RIGHT = [
    asked("name", "pine tree", "A pine tree."),
    asked("colour", "red", "The background is red."),
    asked("count", "two", "Two."),
    asked("side", "left", "On the left."),
    asked("side", "dog", "A dog."),
    asked("presence", "yes", "Yes, there is a cat."),
    asked("presence", "no", "No, there is no cat."),
]
WRONG = [
    asked("name", "pine tree", "An apple, no pine tree."),
    asked("colour", "red", "The background is dark, and I am bored."),
    asked("count", "two", "Three."),
    asked("side", "left", "On the right."),
    asked("side", "dog", "A cat."),
    asked("presence", "yes", "No, there is no cat."),
    asked("presence", "no", "Yes, there is a cat."),
]


def test_right_answers_are_all_right_and_wrong_ones_all_wrong() -> None:
    assert set(summary(RIGHT)) == set(WANTED)
    assert set(summary(RIGHT).values()) == {1.0}
    assert set(summary(WRONG)) == set(WANTED)
    assert set(summary(WRONG).values()) == {0.0}
    assert set(summary(RIGHT + WRONG).values()) == {0.5}


def test_a_thing_of_the_same_kind_is_right_in_kind_alone() -> None:
    scores_ = summary([asked("name", "cat", "A dog."), asked("name", "cat", "A car.")])
    assert scores_ == {"name": 0.0, "kind": 0.5}


def test_a_model_is_asked_about_every_thing(
    multimodal_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "_SCENES", 4)
    loaded = load_model(str(multimodal_model), load="fp32", device="cpu")
    sprites = flat_sprites("cat", "apple", "car", "clock")
    told: list[tuple[int, int]] = []
    answers = examine(loaded, sprites, tell=lambda done, total: told.append((done, total)))
    names = [item.question.key for item in answers if item.question.subject == "name"]
    assert names == ["cat", "apple", "car", "clock"]
    assert {item.question.subject for item in answers} >= {"name", "colour", "count", "presence"}
    assert told[-1] == (12, 12)
    assert [item.answer for item in answers] == [item.answer for item in examine(loaded, sprites)]
    assert 0 <= summary(answers)["name"] <= 1
