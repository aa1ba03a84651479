# SPDX-License-Identifier: Apache-2.0
"""The tower: a small ResNet of open_clip, trained from nothing to name what it sees.

It is trained twice. First to name: as in CLIP a picture is pulled to its name, here among the
names of all things at once, and cell by cell of the tower's grid, since cells, not pictures, are
what the language model will read: what stands here, on which colour, and how many things there
are in all.

Then to be sharp: one more block is put on top, behind whose ReLU each thing has a channel of its
own, and channels that are active cost something. So of a cell that shows a cat all but the few
likely channels are exactly nothing, and the projector, which is linear, makes of it the
embeddings of those few names. Without that block the score of the right name is the highest, but
beneath the sum of all the others: of art that was not learned from the vector lay at a cosine of
0.22 to the right name and 0.19 to the next (docs/LOG.md), and a language model cannot take the
highest of 189.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from yuren_core.model.vision_tower import VisionTower
from yuren_core.paths import atomic_directory
from yuren_train.recipes.starter.art import Sprite, concepts
from yuren_train.recipes.starter.augmentation import Place
from yuren_train.recipes.starter.scenes import (
    COLOURS,
    MOST_THINGS,
    Scene,
    SceneMaker,
)

IMAGE_SIZE = 96
STRIDE = 32  # of the ResNet: pixels of a cell of its grid
_WIDTH = 24
_FEATURES = _WIDTH * 32
_TEMPERATURE = 16.0
_NOTHING_SCORE = 4.0
_RISING = 0.3  # how far a channel that is off hears that it should be on


def tower_config(text_width: int) -> dict[str, Any]:
    """What `open_clip_config.json` is to say."""
    return {
        "model_cfg": {
            "embed_dim": text_width,
            "vision_cfg": {"image_size": IMAGE_SIZE, "layers": [1, 1, 1, 2], "width": _WIDTH},
            "text_cfg": {"context_length": 8, "vocab_size": 8, "width": 8, "heads": 1, "layers": 0},
        },
        "preprocess_cfg": {
            "size": IMAGE_SIZE,
            "mode": "RGB",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25],
            "interpolation": "bicubic",
            "resize_mode": "longest",
            "fill_color": 255,
        },
    }


class _Rising(torch.autograd.Function):
    """ReLU for a channel that is to come back: what is off may still be pushed up, never down."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x > 0)
        return x.clamp_min(0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (is_on,) = ctx.saved_tensors
        return torch.where(is_on, gradient, _RISING * gradient.clamp_max(0))


class _RisingReLU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        risen: Tensor = _Rising.apply(x)
        return risen


class Learner(nn.Module):
    """The tower and what is read off its cells.

    Args:
        names: (K, D) embeddings of the names, centred, of length 1; channel k is for name k.
    """

    def __init__(self, names: Tensor) -> None:
        from open_clip.model import _build_vision_tower

        super().__init__()
        config = tower_config(names.shape[1])["model_cfg"]
        self.visual = _build_vision_tower(config["embed_dim"], config["vision_cfg"])
        self.to_names = nn.Linear(_FEATURES, names.shape[1])
        self.nothing = nn.Parameter(torch.randn(1, names.shape[1]) * 0.05)
        self.log_scale = nn.Parameter(torch.tensor(math.log(_TEMPERATURE)))
        self.sharp_nothing = nn.Parameter(torch.tensor(_NOTHING_SCORE))
        self.to_colours = nn.Linear(_FEATURES, len(COLOURS))
        self.to_counts = nn.Linear(_FEATURES, MOST_THINGS)
        self.register_buffer("names", names)
        self.sharpener.act3 = _RisingReLU()
        nn.init.zeros_(self.sharpener.bn3.weight)  # it begins by changing nothing

    @property
    def sharpener(self) -> Any:
        """The tower's last block, a `Bottleneck` of open_clip's."""
        return self.visual.layer4[1]

    def blurred(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S), 0 to 1, to what comes before the last block: (B, C, H, W)."""
        config = tower_config(1)["preprocess_cfg"]
        x = (pixels - config["mean"][0]) / config["std"][0]
        x = self.visual.stem(x.contiguous(memory_format=torch.channels_last))
        for layer in (self.visual.layer1, self.visual.layer2, self.visual.layer3):
            x = layer(x)
        return cast("Tensor", self.visual.layer4[0](x))

    def named(self, features: Tensor) -> Tensor:
        """Features (..., C) before the last block to logits (..., K + 1): names and nothing."""
        assert isinstance(self.names, Tensor)
        table = torch.cat([self.names, functional.normalize(self.nothing, dim=-1)])
        direction = functional.normalize(self.to_names(features), dim=-1)
        logits: Tensor = self.log_scale.exp() * direction @ table.T
        return logits

    def sharply_named(self, features: Tensor) -> Tensor:
        """Features (..., C) behind the last block to logits (..., K + 1): names and nothing."""
        assert isinstance(self.names, Tensor)
        scores = features[..., : len(self.names)]
        return torch.cat([scores, self.sharp_nothing.expand_as(scores[..., :1])], dim=-1)


def flat(cells: Tensor) -> Tensor:
    """A grid (B, C, H, W) to cells (B, P, C) in fp32."""
    return cells.flatten(2).transpose(1, 2).float()


@torch.no_grad()
def recognised(learner: Learner, sprites: Sequence[Sprite], *, seed: int = 1) -> dict[str, float]:
    """How things alone on plain grounds are named.

    Returns:
        How often the best name over all cells before the last block is the right one (top 1),
        is among the best five, is of the right kind. And of the middle cell behind that block:
        how often its highest channel is the right one, how far its embedding points to the
        right name (cosine), and to the best of the wrong ones.
    """
    maker = SceneMaker(sprites, IMAGE_SIZE // STRIDE)
    draw = np.random.default_rng(seed)
    truth = np.repeat(maker.known, 2)
    scenes = [
        Scene((int(concept),), (Place(0.5, 0.5, 0.8),), int(draw.integers(len(COLOURS))))
        for concept in truth
    ]
    pixels = torch.stack(
        [maker.picture(scene, IMAGE_SIZE, seed=seed + i) for i, scene in enumerate(scenes)]
    )
    learner.eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        blurred = learner.blurred(pixels)
        cells = flat(learner.sharpener(blurred))
    learner.train()
    best = learner.named(flat(blurred).mean(1))[:, :-1].topk(5).indices.numpy()
    kinds = np.array([concept.kind for concept in concepts()])
    assert isinstance(learner.names, Tensor)
    sharp = cells[:, cells.shape[1] // 2, : len(learner.names)]
    cosine = functional.normalize(sharp @ learner.names, dim=-1) @ learner.names.T
    right = functional.one_hot(torch.from_numpy(truth), len(learner.names)).bool()
    return {
        "top 1": float((best[:, 0] == truth).mean()),
        "top 5": float((best == truth[:, None]).any(1).mean()),
        "kind": float((kinds[best[:, 0]] == kinds[truth]).mean()),
        "sharp": float((sharp.argmax(-1).numpy() == truth).mean()),
        "cosine to right": float(cosine[right].mean()),
        "to best wrong": float(cosine.masked_fill(right, -1).max(-1).values.mean()),
    }


def save_tower(learner: Learner, directory: Path) -> None:
    """Write the tower in open_clip's layout, in bf16.

    Its attention pooling is made to be what it was trained with: the average over the cells,
    and from each name's channel to that name's embedding. So open_clip itself gives a picture's
    vector among names.
    """
    pool = learner.visual.attnpool
    assert isinstance(learner.names, Tensor)
    with torch.no_grad():
        for layer in (pool.q_proj, pool.k_proj):
            layer.weight.zero_()
            layer.bias.zero_()
        pool.positional_embedding.zero_()
        pool.v_proj.weight.copy_(torch.eye(_FEATURES))
        pool.v_proj.bias.zero_()
        pool.c_proj.weight.zero_()
        pool.c_proj.weight[:, : len(learner.names)] = learner.names.T
        pool.c_proj.bias.zero_()
    tower = VisionTower(learner.visual, tower_config(learner.names.shape[1]), -1)
    with atomic_directory(directory) as draft:
        tower.to(torch.bfloat16).save(draft)
