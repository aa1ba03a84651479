# SPDX-License-Identifier: Apache-2.0
"""What the finished model says about pictures in a style it has never learned from."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch.nn import functional
from torchvision.transforms.functional import to_pil_image

from yuren_core.images import image_part
from yuren_core.inference.engine import Engine
from yuren_core.messages import Message, Role, TextPart
from yuren_core.model.loading import LoadedModel
from yuren_core.prompt import prompt_items
from yuren_core.protocol import Delta
from yuren_core.sampling_params import SamplingParams
from yuren_train.data.encoding import EncoderSpec, RowEncoder
from yuren_train.data.faults import Fault
from yuren_train.data.schema import Row
from yuren_train.data.sources import read_rows
from yuren_train.recipes.starter.art import Sprite, concepts
from yuren_train.recipes.starter.augmentation import Place
from yuren_train.recipes.starter.questions import Question, Subject, ask
from yuren_train.recipes.starter.scenes import COLOURS, Scene, SceneMaker, invent
from yuren_train.recipes.starter.tower import IMAGE_SIZE, STRIDE

_SCENES = 120  # for each subject that needs scenes of several things

WANTED = {
    "name": 0.5, "kind": 0.75, "colour": 0.8, "count": 0.8, "side": 0.7,
    "presence: yes": 0.75, "presence: no": 0.75,
}  # fmt: skip
"""What is to be reached."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what became of it.

    Attributes:
        scene: what was in the picture.
        question: with its true answer.
        answer: the model's.
    """

    scene: Scene
    question: Question
    answer: str


def examine(
    loaded: LoadedModel,
    sprites: Sequence[Sprite],
    *,
    seed: int = 7,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Asked]:
    """Ask about each thing alone, and about scenes of several.

    Args:
        loaded: the model.
        sprites: of a style that was not learned from.
        seed: of scenes and wordings.
        tell: told how many questions are done, and of how many.
    """
    engine = Engine(loaded)
    maker = SceneMaker(sprites, IMAGE_SIZE // STRIDE)
    sampling = SamplingParams(temperature=0.0, max_new_tokens=32)
    todo = list(_questions(maker, np.random.default_rng(seed)))
    asked: list[Asked] = []
    with TemporaryDirectory() as folder:
        for number, (scene, questions) in enumerate(todo):
            picture = Path(folder) / f"{number}.png"
            to_pil_image(maker.picture(scene, IMAGE_SIZE, seed=seed + number)).save(picture)
            for question in questions:
                parts = (image_part(picture), TextPart(question.text))
                items = prompt_items([Message(Role.USER, parts)])
                events = engine.generate(items, sampling)
                answer = "".join(event.text for event in events if isinstance(event, Delta))
                asked.append(Asked(scene, question, answer))
            tell(number + 1, len(todo))
    return asked


def _questions(
    maker: SceneMaker, draw: np.random.Generator
) -> Iterator[tuple[Scene, list[Question]]]:
    alone: tuple[Subject, ...] = ("name", "colour")
    for concept in maker.known:
        ground = int(draw.integers(len(COLOURS)))
        scene = Scene((concept,), (Place(0.5, 0.5, 0.8),), ground)
        yield scene, [q for subject in alone if (q := ask(subject, scene, draw))]
    for number in range(_SCENES):
        scene = invent(number % 4 + 1, maker.known, draw)
        yield scene, [q for subject in ("count", "presence") if (q := ask(subject, scene, draw))]
    for _ in range(_SCENES):
        scene = invent(2, maker.known, draw, alike=0.0)
        yield scene, [q for subject in ("side", "presence") if (q := ask(subject, scene, draw))]


def named(answer: str) -> str | None:
    """The first thing that an answer names; of two at one place the longer name."""
    found = [
        (match.start(), -len(concept.name), concept.name)
        for concept in concepts()
        if (match := re.search(rf"\b{re.escape(concept.name)}\b", answer.lower()))
    ]
    return min(found)[2] if found else None


@torch.inference_mode()
def perplexity(loaded: LoadedModel, rows: Path, *, most: int = 100) -> float:
    """Of the answers in rows of text, each token as likely to be met as each other.

    Args:
        loaded: the model.
        rows: a file of training data.
        most: rows that are read.
    """
    encoder = RowEncoder(EncoderSpec.of(loaded.tokenizer, max_length=1024, images_dir=None))
    loss, tokens = 0.0, 0
    for place, raw in islice(read_rows(rows), most):
        row = None if isinstance(raw, Fault) else encoder.parse(raw, place)
        if not isinstance(row, Row):
            continue
        fitted = encoder.fit(row)
        ids = torch.from_numpy(fitted.input_ids).long()[None].to(loaded.precision.device)
        learned = torch.from_numpy(fitted.learned)[1:]
        logits = loaded.model(input_ids=ids).logits[0, :-1].float().cpu()[learned]
        loss += float(functional.cross_entropy(logits, ids[0, 1:].cpu()[learned], reduction="sum"))
        tokens += int(learned.sum())
    return math.exp(loss / max(tokens, 1))


def summary(asked: Sequence[Asked]) -> dict[str, float]:
    """Shares of right answers, 0 to 1, by subject."""
    by: dict[str, list[bool]] = {}
    kinds = {concept.name: concept.kind for concept in concepts()}
    for item in asked:
        subject: str = item.question.subject
        if subject == "presence":
            subject = f"presence: {item.question.key}"
            said = item.answer.lower().startswith(item.question.key)
        elif subject in ("name", "side") and item.question.key not in ("left", "right"):
            said = named(item.answer) == item.question.key
        else:
            said = bool(re.search(rf"\b{item.question.key}\b", item.answer.lower()))
        by.setdefault(subject, []).append(said)
        if subject == "name":
            kind = kinds[item.question.key]
            by.setdefault("kind", []).append(kinds.get(named(item.answer) or "") == kind)
    return {subject: sum(right) / len(right) for subject, right in by.items()}
