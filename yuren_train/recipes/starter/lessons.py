# SPDX-License-Identifier: Apache-2.0
"""Pictures and conversations in the training format, drawn from free art.

What the starter's stages 2 and 3 learn from, and what `yuren-train sample-data` writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from torchvision.transforms.functional import to_pil_image

from yuren_core.paths import atomic_write, storing
from yuren_train.recipes.starter.art import Sprite
from yuren_train.recipes.starter.questions import conversation
from yuren_train.recipes.starter.scenes import SceneMaker, invent
from yuren_train.recipes.starter.tower import IMAGE_SIZE, STRIDE

_TURNS = ((1, 2, 3), (0.35, 0.4, 0.25))  # of a conversation, and how often: names most of all
_SYSTEM_SHARE = 0.25


def write_lessons(
    sprites: Sequence[Sprite],
    directory: Path,
    name: str,
    *,
    pictures: int,
    seed: int,
    systems: Sequence[str] = (),
    go_on: bool = False,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
) -> Path:
    """Draw pictures and write conversations about them.

    Args:
        sprites: to draw from.
        directory: gets `NAME.jsonl`, and the pictures in a folder `NAME`.
        name: of both.
        pictures: how many.
        seed: of everything.
        systems: system prompts that a quarter of the conversations begin with.
        go_on: keep the pictures that are there: an interrupted call with the same values drew them.
        tell: told how many are done, and of how many.

    Returns:
        The file of rows.
    """
    maker = SceneMaker(sprites, IMAGE_SIZE // STRIDE)
    with storing(directory):
        (directory / name).mkdir(parents=True, exist_ok=True)
    rows: list[str] = []
    for number in range(pictures):
        draw = np.random.default_rng([seed, number])
        count = int(draw.choice([1, 2, 3, 4], p=[0.55, 0.25, 0.1, 0.1]))
        scene = invent(count, maker.known, draw)
        hardness = float(draw.random() ** 0.5)
        picture = f"{name}/{number:05}.png"
        if not (go_on and (directory / picture).exists()):
            pixels = maker.picture(
                scene, IMAGE_SIZE, seed=seed * 1_000_003 + number, hardness=hardness
            )
            draft = directory / name / ".draft.png"
            with storing(directory / picture):
                to_pil_image(pixels).save(draft)
                draft.replace(directory / picture)
        system = (
            str(draw.choice(list(systems))) if systems and draw.random() < _SYSTEM_SHARE else ""
        )
        turns = int(draw.choice(_TURNS[0], p=_TURNS[1]))
        row = conversation(scene, picture, turns, system, draw)
        rows.append(json.dumps(row, ensure_ascii=False))
        tell(number + 1, pictures)
    target = directory / f"{name}.jsonl"
    atomic_write(target, "\n".join(rows) + "\n")
    return target
