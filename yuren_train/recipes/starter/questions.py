# SPDX-License-Identifier: Apache-2.0
"""Questions about scenes, with their true answers: what is learned, and what is examined.

A scene is a plain ground and up to four things on it; its conversations are LLaVA rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from yuren_core.training_format import IMAGE_TAG
from yuren_train.recipes.starter.art import concepts
from yuren_train.recipes.starter.scenes import COLOURS, Scene

Subject = Literal["name", "kind", "colour", "count", "side", "presence", "description"]

_NUMBERS = ("one", "two", "three", "four")
_UNCOUNTED = frozenset({"bread", "cheese", "meat", "popcorn", "rice", "chocolate", "honey", "milk",
                        "coffee", "beer", "corn", "broccoli", "rain", "lightning", "fire", "money",
                        "tennis", "bowling", "salad", "sushi"})  # fmt: skip
_PLURALS = frozenset({"grapes", "cherries", "fries", "pancakes", "noodles", "glasses", "gloves",
                      "sunglasses", "trousers", "socks", "scissors", "dice"})  # fmt: skip
_IRREGULAR = {"mouse": "mice", "snowman": "snowmen", "sheep": "sheep", "fish": "fish",
              "deer": "deer", "tomato": "tomatoes", "tornado": "tornadoes",
              "volcano": "volcanoes"}  # fmt: skip
_UNIQUE = ("sun", "moon")
_SHOWS_TOO = {
    "bird": ("chicken", "penguin", "eagle", "duck", "owl", "parrot"),
    "bear": ("koala", "panda", "teddy bear"),
    "monkey": ("gorilla",),
    "fish": ("shark", "whale", "dolphin", "sushi"),
    "tree": ("pine tree", "palm tree"),
    "car": ("taxi", "ambulance", "truck", "bus"),
    "truck": ("ambulance",),
    "ship": ("sailboat",),
    "glasses": ("sunglasses",),
    "clock": ("watch",),
    "diamond": ("ring",),
    "candle": ("cake",),
    "strawberry": ("cake",),
    "bread": ("sandwich", "hamburger"),
    "meat": ("hamburger", "sandwich"),
    "cheese": ("hamburger", "sandwich", "pizza"),
    "tomato": ("salad", "sandwich", "hamburger"),
    "rice": ("sushi",),
    "egg": ("noodles", "salad"),
    "chocolate": ("cookie", "doughnut", "ice cream"),
    "cloud": ("rain", "lightning", "tornado", "rainbow"),
    "rain": ("umbrella",),
    "snowflake": ("snowman",),
    "top hat": ("snowman",),
    "mountain": ("volcano",),
    "fire": ("volcano", "candle", "rocket"),
    "heart": ("gift", "clover"),
}
"""What a picture of another thing shows too, or might be called: it is not said not to be there."""
_KINDS = {"food": "food", "clothing": "clothing", "weather": "something in the sky",
          "sport": "something for sport", "thing": "an object",
          "instrument": "a musical instrument"}  # fmt: skip
_ASKED: dict[Subject, tuple[str, ...]] = {
    "name": ("What is this?", "What is it?", "What do you see?", "What is in the picture?",
             "What is shown in this picture?", "Name the thing in the picture.",
             "What can you see in this image?", "What's this?", "What's in this picture?"),
    "kind": ("What kind of thing is it?", "What kind of thing is this?"),
    "colour": ("What colour is the background?", "What color is the background?",
               "Which color is the background?", "What is the background color?"),
    "count": ("How many things are there?", "How many things are in the picture?",
              "How many objects do you see?", "How many are there?"),
    "description": ("Describe the picture.", "Describe this image.", "Describe what you see.",
                    "What does the picture show?", "Please describe this picture in a sentence."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        subject: what it examines.
        text: as a person asks.
        answer: as the model is to answer.
        key: the word of the answer that decides whether it is right.
    """

    subject: Subject
    text: str
    answer: str
    key: str


def name_of(concept: int) -> str:
    """The noun."""
    return concepts()[concept].name


def with_article(concept: int) -> str:
    """The noun as it is said of one: a cat, an apple, some rice, glasses."""
    name = name_of(concept)
    if name in _UNCOUNTED or name in _PLURALS:
        return name
    if name in _UNIQUE:
        return f"the {name}"
    return _a(name)


def ask(subject: Subject, scene: Scene, draw: np.random.Generator) -> Question | None:
    """A question on this subject; None where the scene gives no cause for it."""
    texts = _ASKED.get(subject, ("",))
    text = texts[int(draw.integers(len(texts)))]
    match subject:
        case "name" if len(scene.things) == 1:
            return Question(
                subject, text, _sentence(with_article(scene.things[0])), name_of(scene.things[0])
            )
        case "kind" if len(scene.things) == 1:
            phrase = _kind_phrase(concepts()[scene.things[0]].kind)
            return Question(subject, text, f"It is {phrase}.", phrase)
        case "colour":
            colour = COLOURS[scene.colour]
            return Question(subject, text, f"The background is {colour}.", colour)
        case "count":
            number = _NUMBERS[len(scene.things) - 1]
            return Question(subject, text, f"{number.capitalize()}.", number)
        case "side" if (left := scene.leftmost) is not None:
            return _side(scene, left, draw)
        case "presence":
            return _presence(scene, draw)
        case "description":
            return Question(subject, text, describe(scene), name_of(scene.things[0]))
        case _:
            return None


def describe(scene: Scene) -> str:
    """One sentence that says all."""
    counted = Counter(scene.things)
    parts = [
        with_article(thing)
        if number == 1 or name_of(thing) in _UNCOUNTED
        else f"{_NUMBERS[number - 1]} {_plural(name_of(thing))}"
        for thing, number in counted.items()
    ]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return _sentence(f"{listed} on {_a(COLOURS[scene.colour])} background")


def _side(scene: Scene, left: int, draw: np.random.Generator) -> Question | None:
    first, second = scene.things[left], scene.things[1 - left]
    if first == second:
        return None
    side = ("left", "right")[int(draw.integers(2))]
    thing = first if side == "left" else second
    if draw.random() < 0.5:
        text = ("What is on the {}?", "What is on the {} side?", "What is at the {}?")[
            int(draw.integers(3))
        ].format(side)
        return Question("side", text, _sentence(with_article(thing)), name_of(thing))
    verb = "Are" if name_of(thing) in _PLURALS else "Is"
    text = f"{verb} the {name_of(thing)} on the left or on the right?"
    return Question("side", text, f"On the {side}.", side)


def _presence(scene: Scene, draw: np.random.Generator) -> Question:
    is_there = draw.random() < 0.5
    if is_there:
        thing = scene.things[int(draw.integers(len(scene.things)))]
    else:
        there = {name_of(thing) for thing in scene.things}
        absent = [
            number
            for number, concept in enumerate(concepts())
            if there.isdisjoint((concept.name, *_SHOWS_TOO.get(concept.name, ())))
        ]
        thing = absent[int(draw.integers(len(absent)))]
    verb = "Are there" if name_of(thing) in _PLURALS else "Is there"
    where = (" in the picture", "", " here", " in this image")[int(draw.integers(4))]
    what = f"a {name_of(thing)}" if name_of(thing) in _UNIQUE else with_article(thing)
    answer = f"Yes, there is {what}." if is_there else f"No, there is no {name_of(thing)}."
    if verb == "Are there":
        answer = answer.replace("there is", "there are")
    return Question("presence", f"{verb} {what}{where}?", answer, "yes" if is_there else "no")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _plural(name: str) -> str:
    if name in _PLURALS or name in _UNCOUNTED:
        return name
    if name in _IRREGULAR:
        return _IRREGULAR[name]
    if name.endswith("y") and name[-2] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}{'es' if name.endswith(('s', 'x', 'ch', 'sh')) else 's'}"


def _kind_phrase(kind: str) -> str:
    return _KINDS.get(kind) or _a(kind)


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def conversation(
    scene: Scene, picture: str, turns: int, system: str, draw: np.random.Generator
) -> dict[str, object]:
    """A LLaVA row: a few questions about one picture, the first of them beside the picture.

    What is asked later may be copied from what was answered before, so the first question is
    mostly the one that is hardest to read off the picture, and it is mostly not asked later.
    """
    others: list[Subject] = ["presence", "presence", "colour", "count"]
    if len(scene.things) == 1:
        first: Subject = "description" if draw.random() < 0.15 else "name"
        others.append("kind")
    else:
        first = "side" if scene.leftmost is not None and draw.random() < 0.6 else "description"
        others += ["side", "side"]
    draw.shuffle(others)
    place = 0 if draw.random() < 0.6 else turns
    subjects = [*others[:place], first, *others[place:]]
    said: list[dict[str, str]] = [{"from": "system", "value": system}] if system else []
    seen: set[str] = set()
    for subject in subjects:
        if len(seen) == turns:
            break
        question = ask(subject, scene, draw)
        if question is None or question.text in seen:
            continue
        text = question.text
        if not seen:
            text = f"{IMAGE_TAG}\n{text}" if draw.random() < 0.5 else f"{text}\n{IMAGE_TAG}"
        seen.add(question.text)
        said += [{"from": "human", "value": text}, {"from": "gpt", "value": question.answer}]
    return {"image": picture, "conversations": said}
