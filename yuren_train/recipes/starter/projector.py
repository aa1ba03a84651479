# SPDX-License-Identifier: Apache-2.0
"""The projector's start: the straight line from what a cell shows to the words for it.

The tower's own last layer brings a cell that shows a cat to the embedding of " cat": it is taken,
as long as embeddings are. A little of the words for colour, number and side is added, by
least squares. No language model runs. Stage 2 goes on from there; from chance it would take it
hours on two cores to get as far.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from yuren_core.model.vision_tower import VisionTower
from yuren_core.paths import atomic_write
from yuren_train.recipes.starter.art import Sprite, concepts
from yuren_train.recipes.starter.scenes import COLOURS, SceneMaker
from yuren_train.recipes.starter.tower import IMAGE_SIZE, STRIDE, tower_config

_NUMBERS = ("one", "two", "three", "four")
_SIDES = ("left", "right")
_COLOUR_SHARE = 0.2  # of a colour's word beside a thing's
_NUMBER_SHARE = 0.2
_SIDE_SHARE = 0.3  # of "left" and "right", in the outer columns of cells
_BATCHES = 24
_BATCH = 256
_RIDGE = 1e-2
_SHOWN = 0.5  # a cell that is covered more shows a thing


def word_vectors(words: Sequence[str], tokenizer: PreTrainedTokenizerBase, table: Tensor) -> Tensor:
    """(K, D): embeddings of words as they stand in a sentence; the mean where one has several.

    Args:
        words: without a space before them.
        tokenizer: of the language model.
        table: (V, D), its input embeddings.
    """
    ids = [tokenizer.encode(f" {word}", add_special_tokens=False) for word in words]
    return torch.stack([table[i].float().mean(0) for i in ids])


@torch.no_grad()
def fit_projector(
    tower: VisionTower,
    sprites: Sequence[Sprite],
    tokenizer: PreTrainedTokenizerBase,
    table: Tensor,
    *,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Weight (D, C) and bias (D,) of the projector's start, fp32.

    Args:
        tower: what makes the features.
        sprites: to draw scenes from.
        tokenizer: of the language model.
        table: (V, D), its input embeddings.
        seed: of the scenes.
    """
    names, colours, numbers, sides = (
        word_vectors(words, tokenizer, table)
        for words in ([concept.name for concept in concepts()], COLOURS, _NUMBERS, _SIDES)
    )
    colours, numbers, sides = (it - it.mean(0) for it in (colours, numbers, sides))
    length = (names - names.mean(0)).norm(dim=1).mean()
    maker = SceneMaker(sprites, IMAGE_SIZE // STRIDE)
    preprocess = tower_config(1)["preprocess_cfg"]
    head = tower.visual.attnpool.c_proj  # as `save_tower` has left it
    features, targets, lengths = [], [], []
    for batch in range(_BATCHES):
        scenes = maker.batch(_BATCH, IMAGE_SIZE, seed=seed + batch, hardness=0.7)
        pixels = (scenes.pixels - preprocess["mean"][0]) / preprocess["std"][0]
        cells = tower(pixels).float()
        has_colour = (scenes.colours >= 0).float()[:, None]
        target = _COLOUR_SHARE * has_colour * colours[scenes.colours.clamp_min(0)]
        target += _NUMBER_SHARE * numbers[scenes.counts - 1]
        shown = scenes.coverage.sum(1).flatten(1) > _SHOWN
        lengths.append(head(cells[shown]).norm(dim=-1))
        features.append(cells.flatten(0, 1))
        columns = torch.arange(cells.shape[1]) % scenes.coverage.shape[-1]
        side = torch.zeros(cells.shape[1], sides.shape[1])
        side[columns == 0], side[columns == columns.max()] = sides[0], sides[1]
        targets.append((target[:, None] + _SIDE_SHARE * side).flatten(0, 1))
    weight, bias = _least_squares(torch.cat(features), torch.cat(targets))
    scale = length / torch.cat(lengths).mean()
    return weight + scale * head.weight, bias + scale * head.bias + names.mean(0)


def _least_squares(features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression on standardised features: weight (D, C) and bias (D,)."""
    mean, deviation = features.mean(0), features.std(0).clamp_min(1e-4)
    x = ((features - mean) / deviation).double()
    offset = targets.mean(0)
    gram = x.T @ x / len(x)
    gram += _RIDGE * torch.eye(x.shape[1], dtype=torch.double)
    weight = torch.linalg.solve(gram, x.T @ (targets - offset).double() / len(x)).float()  # (C, D)
    weight = weight / deviation[:, None]
    return weight.T.contiguous(), offset - mean @ weight


def put_projector(directory: Path, weight: Tensor, bias: Tensor) -> None:
    """Replace the projector of a model directory that has one file of weights."""
    file = directory / "model.safetensors"
    tensors = load_file(file)
    for name, value in (("weight", weight), ("bias", bias)):
        key = f"model.mm_projector.{name}"
        tensors[key] = value.to(tensors[key].dtype)
    atomic_write(file, save(tensors, metadata={"format": "pt"}))
