# SPDX-License-Identifier: Apache-2.0
"""The projector's start: the straight line from what a cell shows to the words for it.

Fitted by least squares on scenes and words alone, no language model runs: where a cat stands a
cell is to become the embedding of " cat", with a little of the colour's and the number's. Stage
2 goes on from there; from chance it would take it hours on two cores to get as far.
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
from yuren_train.recipes.starter.tower import IMAGE_SIZE, STRIDE, name_targets, tower_config

_NUMBERS = ("one", "two", "three", "four")
_COLOUR_SHARE = 0.5  # of a colour's word beside a thing's
_NUMBER_SHARE = 0.4
_BATCHES = 24
_BATCH = 256
_RIDGE = 1e-2


def word_vectors(words: Sequence[str], tokenizer: PreTrainedTokenizerBase, table: Tensor) -> Tensor:
    """(K, D): embeddings of words as they stand in a sentence; the mean where one has several.

    Args:
        words: without a space before them.
        tokenizer: of the language model.
        table: (V, D), its input embeddings.
    """
    ids = [tokenizer.encode(f" {word}", add_special_tokens=False) for word in words]
    return torch.stack([table[i].float().mean(0) for i in ids])


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
    middle = table.float().mean(0)
    names, colours, numbers = (
        word_vectors(words, tokenizer, table) - middle
        for words in ([concept.name for concept in concepts()], COLOURS, _NUMBERS)
    )
    names = torch.cat([names, torch.zeros(1, names.shape[1])])  # nothing is no word
    maker = SceneMaker(sprites, IMAGE_SIZE // STRIDE)
    preprocess = tower_config(1)["preprocess_cfg"]
    features, targets = [], []
    for batch in range(_BATCHES):
        scenes = maker.batch(_BATCH, IMAGE_SIZE, seed=seed + batch, hardness=0.7)
        pixels = (scenes.pixels - preprocess["mean"][0]) / preprocess["std"][0]
        features.append(tower(pixels).float().flatten(0, 1))
        has_colour = (scenes.colours >= 0).float()[:, None, None]
        target = name_targets(scenes, len(concepts())) @ names  # (B, P, D)
        target += _COLOUR_SHARE * has_colour * colours[scenes.colours.clamp_min(0)][:, None]
        target += _NUMBER_SHARE * numbers[scenes.counts - 1][:, None]
        targets.append(target.flatten(0, 1))
    return _least_squares(torch.cat(features), torch.cat(targets), middle)


def _least_squares(features: Tensor, targets: Tensor, middle: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression on standardised features, its answers as long as the targets are."""
    mean, deviation = features.mean(0), features.std(0).clamp_min(1e-4)
    x = ((features - mean) / deviation).double()
    offset = targets.mean(0)
    y = (targets - offset).double()
    gram = x.T @ x / len(x)
    gram += _RIDGE * torch.eye(x.shape[1], dtype=torch.double)
    weight = torch.linalg.solve(gram, x.T @ y / len(x)).float()  # (C, D)
    weight *= y.float().norm(dim=1).mean() / (x.float() @ weight).norm(dim=1).mean()
    weight = weight / deviation[:, None]
    return weight.T.contiguous(), offset + middle - mean @ weight


def put_projector(directory: Path, weight: Tensor, bias: Tensor) -> None:
    """Replace the projector of a model directory that has one file of weights."""
    file = directory / "model.safetensors"
    tensors = load_file(file)
    for name, value in (("weight", weight), ("bias", bias)):
        key = f"model.mm_projector.{name}"
        tensors[key] = value.to(tensors[key].dtype)
    atomic_write(file, save(tensors, metadata={"format": "pt"}))
