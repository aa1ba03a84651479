# SPDX-License-Identifier: Apache-2.0
"""Questions about scenes: every answer true of its scene, and in English as it is spoken."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.train.recipes.starter.tiny_art import number
from yuren_train.recipes.starter import questions
from yuren_train.recipes.starter.art import concepts
from yuren_train.recipes.starter.questions import (
    Question,
    Subject,
    ask,
    conversation,
    describe,
    with_article,
)
from yuren_train.recipes.starter.scenes import COLOURS, Place, Scene, invent

NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4}
PLACES = " in the picture| in this image| here"
SUBJECTS: tuple[Subject, ...] = get_args(Subject)
ALL = range(len(concepts()))


def scene_of(*names: str, colour: str = "red") -> Scene:
    """Things side by side, in this order."""
    xs = [(i + 0.5) / len(names) for i in range(len(names))]
    places = tuple(Place(x, 0.5, 0.4) for x in xs)
    return Scene(tuple(number(name) for name in names), places, COLOURS.index(colour))


def bare(phrase: str) -> str:
    """A noun without article and full stop."""
    return re.sub(r"^(a|an|the) ", "", phrase.strip(" .?").lower())


def names_in(scene: Scene) -> list[str]:
    return [concepts()[thing].name for thing in scene.things]


def is_true(question: Question, scene: Scene) -> bool:
    """Judged by the words of question and answer alone."""
    text, answer, names = question.text, question.answer, names_in(scene)
    match question.subject:
        case "name":
            return [bare(answer)] == names
        case "kind":
            kind = concepts()[scene.things[0]].kind
            said = {"an object": "thing", "something in the sky": "weather", "food": "food",
                    "clothing": "clothing", "something for sport": "sport",
                    "a musical instrument": "instrument"}  # fmt: skip
            phrase = answer.removeprefix("It is ").rstrip(".")
            return said.get(phrase, bare(phrase)) == kind
        case "colour":
            return answer == f"The background is {COLOURS[scene.colour]}."
        case "count":
            return NUMBERS[bare(answer)] == len(scene.things)
        case "side":
            left, right = (names[i] for i in np.argsort([place.x for place in scene.places]))
            if asked := re.fullmatch(r"Is the (.+) on the left or on the right\?", text):
                return answer == f"On the {'left' if asked[1] == left else 'right'}."
            return bare(answer) == (left if "left" in text else right)
        case "presence":
            asked = re.fullmatch(rf"(?:Is|Are) there (.+?)({PLACES})?\?", text)
            assert asked is not None, text
            name = bare(asked[1])
            assert name in [concept.name for concept in concepts()], text
            assert name in answer
            return answer.startswith("Yes") == (name in names)
        case "description":
            return answer == describe(scene)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from(SUBJECTS))
def test_every_answer_is_true_of_its_scene(seed: int, count: int, subject: Subject) -> None:
    draw = np.random.default_rng(seed)
    scene = invent(count, ALL, draw)
    question = ask(subject, scene, draw)
    if question is None:
        assert subject in ("name", "kind", "side")
        return
    assert question.subject == subject
    assert is_true(question, scene), (question, names_in(scene))
    if subject != "presence":
        stem = question.key.removesuffix("y")
        assert stem in question.answer.lower() or subject == "description"
    assert question.answer[0].isupper()
    assert question.answer.endswith(".")
    assert "  " not in question.text + question.answer


def test_questions_that_a_scene_gives_no_cause_for_are_not_asked() -> None:
    draw = np.random.default_rng(0)
    assert ask("name", scene_of("cat", "dog"), draw) is None
    assert ask("kind", scene_of("cat", "dog"), draw) is None
    assert ask("side", scene_of("cat"), draw) is None
    assert ask("side", scene_of("cat", "cat"), draw) is None
    assert ask("side", scene_of("cat", "dog", "car"), draw) is None


def test_presence_is_asked_of_what_is_there_as_often_as_of_what_is_not() -> None:
    draw = np.random.default_rng(0)
    asked = [ask("presence", invent(1 + i % 4, ALL, draw), draw) for i in range(1000)]
    yes = sum(q.key == "yes" for q in asked if q)
    assert 450 < yes < 550


@pytest.mark.parametrize(
    ("shown", "unsaid"),
    [("pine tree", "tree"), ("eagle", "bird"), ("taxi", "car"), ("teddy bear", "bear"),
     ("sunglasses", "glasses"), ("cake", "candle")],
)  # fmt: skip
def test_what_another_thing_shows_too_is_not_said_not_to_be_there(shown: str, unsaid: str) -> None:
    draw = np.random.default_rng(1)
    asked = [ask("presence", scene_of(shown), draw) for _ in range(2000)]
    said = [q.answer for q in asked if q and q.key == "no"]
    assert f"No, there is no {unsaid}." not in said
    assert len(set(said)) > 100


def test_what_shows_too_names_only_what_there_is() -> None:
    names = {concept.name for concept in concepts()}
    table = questions._SHOWS_TOO
    assert names >= {*table, *(one for others in table.values() for one in others)}


@pytest.mark.parametrize(
    ("name", "phrase"),
    [("cat", "a cat"), ("apple", "an apple"), ("ice cream", "an ice cream"), ("egg", "an egg"),
     ("umbrella", "an umbrella"), ("hospital", "a hospital"), ("rice", "rice"), ("sun", "the sun"),
     ("cherries", "cherries"), ("scissors", "scissors"), ("pine tree", "a pine tree")],
)  # fmt: skip
def test_articles(name: str, phrase: str) -> None:
    assert with_article(number(name)) == phrase


@pytest.mark.parametrize(
    ("name", "plural"),
    [("cat", "cats"), ("fox", "foxes"), ("bus", "buses"), ("box", "boxes"), ("watch", "watches"),
     ("toothbrush", "toothbrushes"), ("dress", "dresses"), ("octopus", "octopuses"),
     ("cherries", "cherries"), ("strawberry", "strawberries"), ("butterfly", "butterflies"),
     ("candy", "candies"), ("trophy", "trophies"), ("monkey", "monkeys"), ("key", "keys"),
     ("mouse", "mice"), ("sheep", "sheep"), ("fish", "fish"), ("deer", "deer"),
     ("snowman", "snowmen"), ("tomato", "tomatoes"), ("avocado", "avocados"), ("piano", "pianos"),
     ("volcano", "volcanoes"), ("glasses", "glasses"), ("pine tree", "pine trees"),
     ("ice cream", "ice creams")],
)  # fmt: skip
def test_plurals(name: str, plural: str) -> None:
    assert describe(scene_of(name, name)) == f"Two {plural} on a red background."


def test_no_plural_has_two_endings() -> None:
    for concept in concepts():
        said = describe(scene_of(concept.name, concept.name, concept.name)).split(" on ")[0]
        assert not re.search(r"(xs|chs|shs|sss|eses|ieses|[^aeiou]ys|mans)$", said), said


def test_a_description_says_all() -> None:
    scene = scene_of("cat", "dog", "cat", "apple", colour="orange")
    assert describe(scene) == "Two cats, a dog and an apple on an orange background."
    assert describe(scene_of("rice", "rice")) == "Rice on a red background."
    assert describe(scene_of("sun", colour="blue")) == "The sun on a blue background."
    assert describe(scene_of("cherries", "owl")) == "Cherries and an owl on a red background."


def turns_of(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(turn["from"], turn["value"]) for turn in row["conversations"]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from(["", "Be brief."]))
def test_a_conversation_is_a_row_about_one_picture(seed: int, count: int, system: str) -> None:
    draw = np.random.default_rng(seed)
    row = conversation(invent(count, ALL, draw), "a/1.png", 4, system, draw)
    assert row["image"] == "a/1.png"
    turns = turns_of(row)
    if system:
        assert turns.pop(0) == ("system", system)
    assert [role for role, _ in turns] == ["human", "gpt"] * (len(turns) // 2)
    assert 2 <= len(turns) <= 8
    asked = [text for role, text in turns if role == "human"]
    assert asked[0].count("<image>") == 1
    assert not any("<image>" in text for text in asked[1:])
    assert len({text.replace("<image>", "").strip() for text in asked}) == len(asked)


def test_conversations_come_to_all_subjects() -> None:
    draw = np.random.default_rng(0)
    said: Counter[str] = Counter()
    for i in range(300):
        row = conversation(invent(1 + i % 4, ALL, draw), "p", 4, "", draw)
        for role, text in turns_of(row):
            if role == "gpt":
                first = text.split()[0].strip(",.")
                said[first if first in ("Yes", "No", "On", "It") else "other"] += 1
    assert min(said[word] for word in ("Yes", "No", "On", "It", "other")) > 10
