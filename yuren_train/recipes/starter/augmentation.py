# SPDX-License-Identifier: Apache-2.0
"""Distortions of sprites and scenes: what makes few styles of art stand for those not seen.

Each takes how hard it distorts: 0 leaves things as they are, 1 is the most that is ever done.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from yuren_train.recipes.starter.art import SPRITE_SIZE


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


def ramp(count: int, pixels: int, depth: float, generator: torch.Generator) -> Tensor:
    """(N, 1, S, S) around 1: light that falls from one side."""
    angle = torch.rand(count, 1, 1, 1, generator=generator) * 2 * math.pi
    line = torch.linspace(-1, 1, pixels)
    return 1 + depth * (
        torch.cos(angle) * line.view(1, 1, 1, -1) + torch.sin(angle) * line.view(1, 1, -1, 1)
    )


def distorted(sprite: Tensor, hardness: float, generator: torch.Generator) -> Tensor:
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
    shade = ramp(len(sprite), SPRITE_SIZE, 0.3, generator)
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


def placed(
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


def photographed(canvas: Tensor, hardness: float, generator: torch.Generator) -> Tensor:
    """Grain, and a little less light or more."""
    grain = torch.rand(len(canvas), 1, 1, 1, generator=generator) * 0.04 * hardness
    light = 1 + (torch.rand(len(canvas), 1, 1, 1, generator=generator) - 0.5) * 0.1 * hardness
    noise = torch.randn(canvas.shape, generator=generator)
    return (canvas * light + noise * grain).clamp_(0, 1)
