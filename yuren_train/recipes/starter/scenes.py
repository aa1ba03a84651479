# SPDX-License-Identifier: Apache-2.0
"""Scenes of one to four things on coloured grounds, drawn in batches for the tower to learn.

What is learned from is distorted on purpose (colours, outlines, shading, shape, holes), since
the art has few styles and unseen ones are to be recognised. Each scene comes with what is where.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from yuren_train.recipes.starter.art import Sprite
from yuren_train.recipes.starter.augmentation import Place, distorted, photographed, placed, ramp

COLOURS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "gray", "black", "white",
)  # fmt: skip
MOST_THINGS = 4

# Hue in degrees, saturation and value in percent: from, to.
_RANGES: dict[str, tuple[tuple[int, int], tuple[int, int], tuple[int, int]]] = {
    "red": ((-8, 8), (75, 100), (70, 100)),
    "orange": ((22, 36), (80, 100), (88, 100)),
    "yellow": ((48, 60), (65, 100), (88, 100)),
    "green": ((95, 150), (45, 100), (40, 90)),
    "blue": ((200, 240), (55, 100), (55, 100)),
    "purple": ((265, 290), (45, 100), (45, 85)),
    "pink": ((315, 345), (25, 60), (92, 100)),
    "brown": ((15, 32), (50, 80), (30, 55)),
    "gray": ((0, 360), (0, 6), (40, 70)),
    "black": ((0, 360), (0, 10), (0, 12)),
    "white": ((0, 360), (0, 4), (95, 100)),
}


def colour_of(name: str, draw: np.random.Generator) -> tuple[float, float, float]:
    """An RGB triple, 0 to 1, that people call by this name."""
    hue, saturation, value = (draw.uniform(*span) for span in _RANGES[name])
    return colorsys.hsv_to_rgb(hue / 360 % 1, saturation / 100, value / 100)


def places(count: int, draw: np.random.Generator) -> list[Place]:
    """Room for so many things, apart from each other, in reading order of no kind."""
    if count == 1:
        size = float(draw.uniform(0.45, 0.95))
        slack = (1 - size) / 2
        return [Place(0.5 + draw.uniform(-slack, slack), 0.5 + draw.uniform(-slack, slack), size)]
    cells = {
        2: [(0.27, 0.5), (0.73, 0.5)] if draw.random() < 0.8 else [(0.5, 0.27), (0.5, 0.73)],
        3: [(0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)],
        4: [(0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)],
    }[count]
    chosen = draw.permutation(len(cells))[:count]
    return [
        Place(
            cells[i][0] + draw.uniform(-0.04, 0.04),
            cells[i][1] + draw.uniform(-0.04, 0.04),
            float(draw.uniform(0.36, 0.46)),
        )
        for i in chosen
    ]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is in a picture.

    Attributes:
        things: concepts.
        places: where each stands.
        colour: of the ground, place in COLOURS.
    """

    things: tuple[int, ...]
    places: tuple[Place, ...]
    colour: int

    @property
    def leftmost(self) -> int | None:
        """Of two things side by side, which is on the left; None where it is not so."""
        if len(self.things) != 2 or abs(self.places[0].x - self.places[1].x) < 0.2:
            return None
        return int(self.places[1].x < self.places[0].x)


def invent(
    count: int, concepts: Sequence[int], draw: np.random.Generator, *, alike: float = 0.4
) -> Scene:
    """A scene of so many things out of these concepts.

    Args:
        count: 1 to MOST_THINGS.
        concepts: to choose from.
        draw: of chance.
        alike: how often all things are the same.
    """
    things = [int(i) for i in draw.choice(np.asarray(concepts), size=count, replace=False)]
    if draw.random() < alike:
        things = things[:1] * count
    return Scene(tuple(things), tuple(places(count, draw)), int(draw.integers(len(COLOURS))))


@dataclass(frozen=True, slots=True)
class Scenes:
    """A batch.

    Attributes:
        pixels: (B, 3, S, S) fp32, 0 to 1.
        coverage: (B, N, g, g) share of each cell of the tower's grid that each of up to N
            things covers; zero where there are fewer.
        things: (B, N) concept of each; 0 where there are fewer.
        counts: (B,) how many there are, 1 to N.
        colours: (B,) place in COLOURS; -1 where the ground has no one colour.
    """

    pixels: Tensor
    coverage: Tensor
    things: Tensor
    counts: Tensor
    colours: Tensor


class SceneMaker:
    """Draws batches of distorted scenes.

    Args:
        sprites: to draw from; each concept as often as each other, each of its styles too.
        grid: cells of the tower's grid on a side.
    """

    def __init__(self, sprites: Sequence[Sprite], grid: int) -> None:
        pixels = np.stack([np.asarray(sprite.image) for sprite in sprites])
        self._pixels = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()  # (M, 4, 64, 64)
        self._grid = grid
        by: dict[int, dict[str, list[int]]] = {}
        for number, sprite in enumerate(sprites):
            by.setdefault(sprite.concept, {}).setdefault(sprite.style, []).append(number)
        self._choices = {concept: list(styles.values()) for concept, styles in by.items()}
        self._concepts = np.array(sorted(self._choices))

    def batch(self, size: int, pixels: int, *, seed: int, hardness: float = 1.0) -> Scenes:
        """Draw scenes.

        Args:
            size: how many (B).
            pixels: height and width (S).
            seed: the same gives the same.
            hardness: 0 draws things as they are, 1 distorts as much as is ever done.
        """
        draw = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed)
        counts = draw.choice([1, 2, 3, 4], size=size, p=[0.55, 0.17, 0.14, 0.14])
        things = np.zeros((size, MOST_THINGS), dtype=np.int64)
        canvas, colours = _grounds(size, pixels, draw, generator)
        coverage = torch.zeros(size, MOST_THINGS, self._grid, self._grid)
        standing = [places(int(count), draw) for count in counts]
        for slot in range(MOST_THINGS):
            rows = np.flatnonzero(counts > slot)
            if not len(rows):
                continue
            alike = (draw.random(len(rows)) < 0.35) & (slot > 0)  # several of the same thing
            fresh = self._concepts[draw.integers(len(self._concepts), size=len(rows))]
            things[rows, slot] = np.where(alike, things[rows, 0], fresh)
            chosen = [self._sprite(int(concept), draw) for concept in things[rows, slot]]
            sprite = self._pixels[chosen].float().div_(255)
            sprite = distorted(sprite, hardness, generator)
            layer = placed(
                sprite, [standing[row][slot] for row in rows], pixels, hardness, draw, generator
            )
            colour, alpha = layer[:, :3], layer[:, 3:].clamp(0, 1)  # colour comes premultiplied
            picked = torch.from_numpy(rows)
            canvas[picked] = canvas[picked] * (1 - alpha) + colour
            coverage[picked, slot] = functional.adaptive_avg_pool2d(alpha, self._grid)[:, 0]
        return Scenes(
            photographed(canvas, hardness, generator),
            coverage,
            torch.from_numpy(things),
            torch.from_numpy(counts),
            colours,
        )

    @property
    def known(self) -> list[int]:
        """The concepts that there are sprites of."""
        return [int(concept) for concept in self._concepts]

    def picture(self, scene: Scene, pixels: int, *, seed: int, hardness: float = 0.0) -> Tensor:
        """One scene as said, (3, S, S) fp32, 0 to 1; its ground is plain."""
        draw = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed)
        ground = torch.tensor(colour_of(COLOURS[scene.colour], draw), dtype=torch.float32)
        canvas = ground[:, None, None].expand(-1, pixels, pixels)
        for thing, place in zip(scene.things, scene.places, strict=True):
            sprite = self._pixels[[self._sprite(thing, draw)]].float() / 255
            sprite = distorted(sprite, hardness, generator)
            (layer,) = placed(sprite, [place], pixels, hardness, draw, generator)
            canvas = canvas * (1 - layer[3:]) + layer[:3]
        return canvas.clamp(0, 1)

    def _sprite(self, concept: int, draw: np.random.Generator) -> int:
        styles = self._choices[concept]
        style = styles[int(draw.integers(len(styles)))]
        return style[int(draw.integers(len(style)))]


def _grounds(
    size: int, pixels: int, draw: np.random.Generator, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Grounds (B, 3, S, S) and their colours (B,): plain, shaded, or of no one colour."""
    picked = draw.integers(len(COLOURS), size=size)
    base = torch.tensor([colour_of(COLOURS[i], draw) for i in picked], dtype=torch.float32)
    canvas = base[:, :, None, None].expand(-1, -1, pixels, pixels).clone()
    odd = draw.random(size) < 0.15
    picked[odd] = -1
    if odd.any():
        rows = torch.from_numpy(np.flatnonzero(odd))
        coarse = torch.rand(len(rows), 3, 4, 4, generator=generator)
        canvas[rows] = functional.interpolate(coarse, (pixels, pixels), mode="bilinear")
    shaded = torch.from_numpy(np.flatnonzero(draw.random(size) < 0.3))
    canvas[shaded] *= ramp(len(shaded), pixels, 0.12, generator)
    return canvas.clamp_(0, 1), torch.from_numpy(picked)
