# SPDX-License-Identifier: Apache-2.0
"""The tower: a small ResNet of open_clip, trained from nothing to name what it sees.

A picture is pulled to its name among the names of all things at once, cell by cell of the
tower's grid, since cells, not pictures, are what the language model will read: what stands here,
on which colour, and how many things there are in all.

A thing's score is a channel of its own behind the last ReLU, so what a cell does not show is
exactly nothing. The projector, which is linear, then makes of a cell the embeddings of the few
names that are likely there. Were scores read off by a linear layer instead, as CLIP's are, that
of the right name would be the highest, but beneath the sum of all the others: of art that was not
learned from the vector lay at a cosine of 0.22 to the right name and 0.19 to the next
(docs/LOG.md), and a language model cannot take the highest of 189.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from yuren_core.model.vision_tower import VisionTower
from yuren_core.paths import atomic_directory
from yuren_train.recipes.starter.art import Sprite, concepts
from yuren_train.recipes.starter.augmentation import Place
from yuren_train.recipes.starter.scenes import (
    COLOURS,
    MOST_THINGS,
    Scene,
    SceneMaker,
    Scenes,
)

IMAGE_SIZE = 96
STRIDE = 32  # of the ResNet: pixels of a cell of its grid
_WIDTH = 24
_NOTHING_SCORE = 4.0
_NOTHING = 0.08  # a cell that is covered less shows nothing


@dataclass(frozen=True, slots=True)
class TowerTraining:
    """How the tower is trained.

    Attributes:
        steps: of the optimizer.
        batch_size: scenes a step.
        learning_rate: at its highest.
        small: the part of the steps, at the beginning, that is done on smaller pictures.
        seed: of everything.
        save_interval: steps from one checkpoint, and measurement, to the next.
    """

    steps: int = 2200
    batch_size: int = 256
    learning_rate: float = 2e-3
    small: float = 0.4
    seed: int = 0
    save_interval: int = 200


def tower_config(text_width: int) -> dict[str, Any]:
    """What `open_clip_config.json` is to say."""
    return {
        "model_cfg": {
            "embed_dim": text_width,
            "vision_cfg": {"image_size": IMAGE_SIZE, "layers": [1, 1, 1, 1], "width": _WIDTH},
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
        width = _WIDTH * 32
        self.nothing = nn.Parameter(torch.tensor(_NOTHING_SCORE))
        self.to_colours = nn.Linear(width, len(COLOURS))
        self.to_counts = nn.Linear(width, MOST_THINGS)
        self.register_buffer("names", names)

    def cells(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S), 0 to 1, to features (B, P, C)."""
        config = tower_config(1)["preprocess_cfg"]
        x = (pixels - config["mean"][0]) / config["std"][0]
        x = self.visual.stem(x.contiguous(memory_format=torch.channels_last))
        for layer in (self.visual.layer1, self.visual.layer2, self.visual.layer3):
            x = layer(x)
        cells: Tensor = self.visual.layer4(x)
        return cells.flatten(2).transpose(1, 2).float()

    def named(self, features: Tensor) -> Tensor:
        """Features (..., C) to logits (..., K + 1) over all names and nothing."""
        assert isinstance(self.names, Tensor)
        scores = features[..., : len(self.names)]
        return torch.cat([scores, self.nothing.expand_as(scores[..., :1])], dim=-1)


def loss_of(learner: Learner, scenes: Scenes) -> Tensor:
    """Cell by cell and over all cells: names by the share that each covers, colour, count."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cells = learner.cells(scenes.pixels)
    targets = name_targets(scenes, len(concepts()))  # (B, P, K + 1)
    by_cell = learner.named(cells).log_softmax(-1)
    whole = learner.named(cells.mean(1)).log_softmax(-1)
    shown = targets[..., :-1].sum(1)
    shown = shown / shown.sum(-1, keepdim=True).clamp_min(1e-6)
    loss = -(targets * by_cell).sum(-1).mean() - 0.5 * (shown * whole[..., :-1]).sum(-1).mean()
    patches = cells.shape[1]
    colours = learner.to_colours(cells).flatten(0, 1)
    loss = loss + 0.3 * functional.cross_entropy(
        colours, scenes.colours.repeat_interleave(patches), ignore_index=-1
    )
    counts = (scenes.counts - 1).repeat_interleave(patches)
    return loss + 0.3 * functional.cross_entropy(learner.to_counts(cells).flatten(0, 1), counts)


def name_targets(scenes: Scenes, names: int) -> Tensor:
    """(B, P, names + 1): what stands in each cell, by shares that sum to 1; last is nothing."""
    share = scenes.coverage.flatten(2)  # (B, N, P)
    covered = share.sum(1)  # (B, P)
    empty = covered < _NOTHING
    share = share / covered.clamp_min(1e-6)[:, None]
    targets = torch.zeros(len(share), names + 1, share.shape[2])
    targets.scatter_add_(1, scenes.things[:, :, None].expand_as(share), share)
    targets = targets * ~empty[:, None]
    targets[:, -1] = empty.float()
    return targets.transpose(1, 2)


def train_tower(
    sprites: Sequence[Sprite],
    names: Tensor,
    plan: TowerTraining,
    work: Path,
    *,
    measure: Callable[[Learner], Mapping[str, float]],
    tell: Callable[[str], None],
) -> Learner:
    """Train, or go on where it was left; the average of the last weights is what counts.

    Args:
        sprites: to draw scenes from.
        names: (K, D), as for `Learner`.
        plan: how.
        work: keeps `tower.pt`, of every `save_interval` steps.
        measure: scores of a learner, told along the way.
        tell: told a line now and then.
    """
    torch.manual_seed(plan.seed)
    learner = Learner(names).to(memory_format=torch.channels_last)
    average = AveragedModel(learner, multi_avg_fn=get_ema_multi_avg_fn(0.995), use_buffers=True)
    optimizer = torch.optim.AdamW(
        learner.parameters(), lr=plan.learning_rate, weight_decay=0.05, fused=True
    )
    makers = {pixels: SceneMaker(sprites, pixels // STRIDE) for pixels in (64, IMAGE_SIZE)}
    checkpoint, done = work / "tower.pt", 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        learner.load_state_dict(state["learner"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        done = state["step"]
    start, first = time.perf_counter(), done
    for step in range(done, plan.steps):
        part = step / plan.steps
        pixels = 64 if part < plan.small else IMAGE_SIZE
        optimizer.param_groups[0]["lr"] = plan.learning_rate * _warmed_cosine(part)
        scenes = makers[pixels].batch(
            plan.batch_size,
            pixels,
            seed=plan.seed * 1_000_003 + step,
            hardness=min(1.0, 0.2 + part / 0.3),
        )
        loss = loss_of(learner, scenes)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(learner)
        done = step + 1
        if done % 20 == 0:
            speed = (done - first) / (time.perf_counter() - start)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            tell(
                f"tower {done}/{plan.steps}  loss {loss.item():.3f}  "
                f"{speed * plan.batch_size:.0f} pictures/s  "
                f"{(plan.steps - done) / speed / 60:.0f} min left  {memory} MiB"
            )
        if done % plan.save_interval == 0 or done == plan.steps:
            state = {
                "learner": learner.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": done,
            }
            draft = checkpoint.with_suffix(".draft")
            torch.save(state, draft)
            draft.replace(checkpoint)
            scores = measure(_averaged(average))
            tell("  ".join(f"{name} {score:.1%}" for name, score in scores.items()))
    return _averaged(average).eval()


def _averaged(average: AveragedModel) -> Learner:
    assert isinstance(average.module, Learner)
    return average.module


def _warmed_cosine(part: float) -> float:
    return min(1.0, part / 0.04 + 0.01) * 0.5 * (1 + math.cos(math.pi * part))


@torch.no_grad()
def recognised(learner: Learner, sprites: Sequence[Sprite], *, seed: int = 1) -> dict[str, float]:
    """How often things alone on plain grounds are named rightly: top 1, top 5, kind."""
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
        cells = learner.cells(pixels)
    learner.train()
    best = learner.named(cells.mean(1))[:, :-1].topk(5).indices.numpy()
    kinds = np.array([concept.kind for concept in concepts()])
    return {
        "top 1": float((best[:, 0] == truth).mean()),
        "top 5": float((best == truth[:, None]).any(1).mean()),
        "kind": float((kinds[best[:, 0]] == kinds[truth]).mean()),
    }


def save_tower(learner: Learner, directory: Path) -> None:
    """Write the tower in open_clip's layout, in bf16.

    Its attention pooling is made to be what it was trained with: the average over the cells,
    and from each name's channel to that name's embedding. So open_clip itself gives a picture's
    vector among names.
    """
    pool = learner.visual.attnpool
    width = _WIDTH * 32
    assert isinstance(learner.names, Tensor)
    with torch.no_grad():
        for layer in (pool.q_proj, pool.k_proj):
            layer.weight.zero_()
            layer.bias.zero_()
        pool.positional_embedding.zero_()
        pool.v_proj.weight.copy_(torch.eye(width))
        pool.v_proj.bias.zero_()
        pool.c_proj.weight.zero_()
        pool.c_proj.weight[:, : len(learner.names)] = learner.names.T
        pool.c_proj.bias.zero_()
    tower = VisionTower(learner.visual, tower_config(learner.names.shape[1]), -1)
    with atomic_directory(directory) as draft:
        tower.to(torch.bfloat16).save(draft)
