# SPDX-License-Identifier: Apache-2.0
"""Scenes of one to four things on coloured grounds, drawn in batches for the tower to learn.

What is learned from is distorted on purpose (colours, outlines, shading, shape, holes), since
the art has few styles and unseen ones are to be recognised. Each scene comes with what is where.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from yuren_train.recipes.starter.art import SPRITE_SIZE, Sprite

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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing stands.

    Attributes:
        x, y: its centre, from 0 (left, top) to 1.
        size: of its longer side, as a part of the picture's.
    """

    x: float
    y: float
    size: float


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
            sprite = _distorted(sprite, hardness, generator)
            layer = _placed(
                sprite, [standing[row][slot] for row in rows], pixels, hardness, draw, generator
            )
            colour, alpha = layer[:, :3], layer[:, 3:].clamp(0, 1)  # colour comes premultiplied
            picked = torch.from_numpy(rows)
            canvas[picked] = canvas[picked] * (1 - alpha) + colour
            coverage[picked, slot] = functional.adaptive_avg_pool2d(alpha, self._grid)[:, 0]
        return Scenes(
            _photographed(canvas, hardness, generator),
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
            sprite = _distorted(sprite, hardness, generator)
            (layer,) = _placed(sprite, [place], pixels, hardness, draw, generator)
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
    canvas[shaded] *= _ramp(len(shaded), pixels, 0.12, generator)
    return canvas.clamp_(0, 1), torch.from_numpy(picked)


def _ramp(count: int, pixels: int, depth: float, generator: torch.Generator) -> Tensor:
    """(N, 1, S, S) around 1: light that falls from one side."""
    angle = torch.rand(count, 1, 1, 1, generator=generator) * 2 * math.pi
    line = torch.linspace(-1, 1, pixels)
    return 1 + depth * (
        torch.cos(angle) * line.view(1, 1, 1, -1) + torch.sin(angle) * line.view(1, 1, -1, 1)
    )


def _distorted(sprite: Tensor, hardness: float, generator: torch.Generator) -> Tensor:
    """Draw things (N, 4, 64, 64) in other ways: colours, outlines, lines alone, holes."""

    def some(probability: float) -> Tensor:
        return torch.rand(len(sprite), generator=generator) < probability * hardness

    def span(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(sprite), 1, 1, 1, generator=generator)

    colour, alpha = sprite[:, :3], sprite[:, 3:]
    gray = colour.mean(1, keepdim=True)

    rows = some(0.8)  # saturation, contrast, brightness
    mixed = gray + (colour - gray) * span(0.3, 1.6)
    mixed = (mixed - 0.5) * span(0.7, 1.35) + 0.5 + span(-0.15, 0.15)
    colour = torch.where(rows[:, None, None, None], mixed.clamp(0, 1), colour)

    rows = some(0.35)  # another hue: turn the colour cube about its grey axis
    angle = (torch.rand(len(sprite), generator=generator) - 0.5) * 2.4
    turned = torch.einsum("nij,njhw->nihw", _hue_turn(angle), colour).clamp(0, 1)
    colour = torch.where(rows[:, None, None, None], turned, colour)

    rows = some(0.12)  # one flat colour with its shades
    tint = torch.rand(len(sprite), 3, 1, 1, generator=generator)
    colour = torch.where(rows[:, None, None, None], gray * 0.6 + tint * 0.4, colour)

    rows = some(0.25)  # shaded as if it had a body
    shade = _ramp(len(sprite), SPRITE_SIZE, 0.3, generator)
    colour = torch.where(rows[:, None, None, None], (colour * shade).clamp(0, 1), colour)

    rows = some(0.5)  # dark lines where the drawing has edges, and at its rim
    blurred = functional.avg_pool2d(gray * alpha, 3, 1, 1)
    edges = (gray * alpha - blurred).abs() * 6
    widths = torch.rand(len(sprite), generator=generator)[:, None, None, None]
    inner = -functional.max_pool2d(-alpha, 3, 1, 1)
    inner = torch.where(widths > 0.5, -functional.max_pool2d(-inner, 3, 1, 1), inner)
    lines = (edges * span(0.0, 1.0) + (alpha - inner)).clamp(0, 1)
    colour = torch.where(rows[:, None, None, None], colour * (1 - lines * span(0.6, 1)), colour)

    rows = some(0.10)  # nothing but the lines, on white or on a colour
    paper = torch.where(span(0, 1) > 0.5, torch.ones_like(tint), tint)
    colour = torch.where(rows[:, None, None, None], paper * (1 - lines), colour)

    rows = some(0.2)  # coarser than it was
    coarse = functional.interpolate(
        functional.avg_pool2d(colour, 2), scale_factor=2, mode="bilinear"
    )
    colour = torch.where(rows[:, None, None, None], coarse, colour)

    rows = some(0.25)  # a part is hidden
    line = torch.arange(SPRITE_SIZE)
    left, top = span(0, 44), span(0, 44)
    across = (line.view(1, 1, 1, -1) >= left) & (line.view(1, 1, 1, -1) < left + span(8, 28))
    down = (line.view(1, 1, -1, 1) >= top) & (line.view(1, 1, -1, 1) < top + span(8, 28))
    alpha = alpha * ~(across & down & rows[:, None, None, None])
    return torch.cat([colour * alpha, alpha], dim=1)


def _hue_turn(angle: Tensor) -> Tensor:
    """(N, 3, 3) that turn RGB by angles (N,) about the grey axis."""
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    axis = torch.full((1, 3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]])[None] / math.sqrt(3)
    return cos * torch.eye(3)[None] + sin * cross + (1 - cos) * axis


def _placed(
    sprite: Tensor,
    standing: Sequence[Place],
    pixels: int,
    hardness: float,
    draw: np.random.Generator,
    generator: torch.Generator,
) -> Tensor:
    """Bring sprites to their places: (N, 4, S, S), turned, stretched, mirrored and bent."""
    count = len(sprite)
    angle = torch.from_numpy(draw.normal(0, 0.22 * hardness, count)).float()
    stretch = torch.from_numpy(np.exp(draw.normal(0, 0.12 * hardness, count))).float()
    mirror = torch.from_numpy(np.where(draw.random(count) < 0.5, -1.0, 1.0)).float()
    size = torch.tensor([place.size for place in standing])
    x = torch.tensor([place.x for place in standing]) * 2 - 1
    y = torch.tensor([place.y for place in standing]) * 2 - 1
    cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
    theta = torch.zeros(count, 2, 3)  # from the canvas to the sprite
    theta[:, 0, 0], theta[:, 0, 1] = cos * mirror * stretch, sin * mirror * stretch
    theta[:, 1, 0], theta[:, 1, 1] = -sin / stretch, cos / stretch
    theta[:, :, 2] = -(theta[:, :, :2] @ torch.stack([x, y], 1)[:, :, None])[:, :, 0]
    field = functional.affine_grid(theta, [count, 4, pixels, pixels], align_corners=False)
    bend = torch.randn(count, 2, 4, 4, generator=generator) * 0.07 * hardness
    bend = functional.interpolate(bend, (pixels, pixels), mode="bicubic")
    return functional.grid_sample(sprite, field + bend.permute(0, 2, 3, 1), align_corners=False)


def _photographed(canvas: Tensor, hardness: float, generator: torch.Generator) -> Tensor:
    """Grain, and a little less light or more."""
    grain = torch.rand(len(canvas), 1, 1, 1, generator=generator) * 0.04 * hardness
    light = 1 + (torch.rand(len(canvas), 1, 1, 1, generator=generator) - 0.5) * 0.1 * hardness
    noise = torch.randn(canvas.shape, generator=generator)
    return (canvas * light + noise * grain).clamp_(0, 1)
