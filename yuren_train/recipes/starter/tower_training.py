# SPDX-License-Identifier: Apache-2.0
"""How the tower is trained: first to name, then to be sharp; each resumable, each averaged."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from yuren_train.recipes.starter.art import Sprite, concepts
from yuren_train.recipes.starter.scenes import SceneMaker, Scenes
from yuren_train.recipes.starter.tower import IMAGE_SIZE, STRIDE, Learner, flat

_NOTHING = 0.08  # a cell that is covered less shows nothing
_ACTIVITY_COST = 0.1  # of a name's channel: those of less likelihood than this go off
_COST_FROM, _COST_WHOLE = 0.4, 0.7  # of the sharpening: names come before silence


@dataclass(frozen=True, slots=True)
class TowerTraining:
    """How the tower is trained.

    Attributes:
        steps: of the optimizer, until it names.
        sharpening: how many more steps until it is sharp, as a part of those.
        batch_size: scenes a step.
        learning_rate: at its highest.
        small: the part of the steps, at the beginning, that is done on smaller pictures.
        seed: of everything.
        save_interval: steps from one checkpoint, and measurement, to the next.
    """

    steps: int = 2200
    sharpening: float = 0.22
    batch_size: int = 256
    learning_rate: float = 2e-3
    small: float = 0.4
    seed: int = 0
    save_interval: int = 100

    @property
    def sharpening_steps(self) -> int:
        return round(self.steps * self.sharpening)


def naming_loss(learner: Learner, scenes: Scenes) -> Tensor:
    """Cell by cell and over all cells: names by the share that each covers, colour, count."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cells = flat(learner.blurred(scenes.pixels))
    targets = name_targets(scenes, len(concepts()))
    return _named_wrongly(learner, cells, targets) + _ground_and_count(learner, cells, scenes)


def sharpening_loss(learner: Learner, scenes: Scenes, cost: float) -> Tensor:
    """The same behind the last block, where active channels of names cost something.

    Args:
        learner: to be made sharp; what its cells show before that block goes on to be asked.
        scenes: to look at.
        cost: of a channel's activity.
    """
    with torch.autocast("cpu", dtype=torch.bfloat16):
        blurred = learner.blurred(scenes.pixels)
        cells = flat(learner.sharpener(blurred))
    targets = name_targets(scenes, len(concepts()))
    by_cell = learner.sharply_named(cells).log_softmax(-1)
    activity = cells[..., : targets.shape[-1] - 1].sum(-1).mean()
    return (
        0.5 * _named_wrongly(learner, flat(blurred), targets)
        - (targets * by_cell).sum(-1).mean()
        + cost * activity
        + _ground_and_count(learner, cells, scenes)
    )


def _named_wrongly(learner: Learner, cells: Tensor, targets: Tensor) -> Tensor:
    by_cell = learner.named(cells).log_softmax(-1)
    whole = learner.named(cells.mean(1)).log_softmax(-1)
    shown = targets[..., :-1].sum(1)
    shown = shown / shown.sum(-1, keepdim=True).clamp_min(1e-6)
    return -(targets * by_cell).sum(-1).mean() - 0.5 * (shown * whole[..., :-1]).sum(-1).mean()


def _ground_and_count(learner: Learner, cells: Tensor, scenes: Scenes) -> Tensor:
    patches = cells.shape[1]
    colours = functional.cross_entropy(
        learner.to_colours(cells).flatten(0, 1),
        scenes.colours.repeat_interleave(patches),
        ignore_index=-1,
    )
    counts = functional.cross_entropy(
        learner.to_counts(cells).flatten(0, 1),
        (scenes.counts - 1).repeat_interleave(patches),
    )
    return 0.3 * (colours + counts)


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
        work: keeps `naming.pt` and `sharpening.pt`, of every `save_interval` steps.
        measure: scores of a learner, told along the way.
        tell: told a line now and then.
    """
    torch.manual_seed(plan.seed)
    learner = Learner(names)
    makers = {pixels: SceneMaker(sprites, pixels // STRIDE) for pixels in (64, IMAGE_SIZE)}

    def naming(learner: Learner, step: int) -> Tensor:
        part = step / plan.steps
        pixels = 64 if part < plan.small else IMAGE_SIZE
        seed = plan.seed * 1_000_003 + step
        hardness = min(1.0, 0.2 + part / 0.3)
        scenes = makers[pixels].batch(plan.batch_size, pixels, seed=seed, hardness=hardness)
        return naming_loss(learner, scenes)

    def sharpening(learner: Learner, step: int) -> Tensor:
        part = step / plan.sharpening_steps
        seed = plan.seed * 1_000_003 + plan.steps + step
        scenes = makers[IMAGE_SIZE].batch(plan.batch_size, IMAGE_SIZE, seed=seed, hardness=1.0)
        risen = min(1.0, max(0.0, (part - _COST_FROM) / (_COST_WHOLE - _COST_FROM)))
        return sharpening_loss(learner, scenes, _ACTIVITY_COST * risen)

    lessons = (
        _Lesson("naming", plan.steps, naming, 0.995),
        _Lesson("sharpening", plan.sharpening_steps, sharpening, 0.98),
    )
    for lesson in lessons:
        learner = _learned(learner, lesson, plan, work, measure, tell)
    return learner.eval()


@dataclass(frozen=True, slots=True)
class _Lesson:
    """One of the two trainings: its name, steps, loss by step, and how slowly the average moves."""

    name: str
    steps: int
    loss: Callable[[Learner, int], Tensor]
    average: float


def _learned(
    learner: Learner,
    lesson: _Lesson,
    plan: TowerTraining,
    work: Path,
    measure: Callable[[Learner], Mapping[str, float]],
    tell: Callable[[str], None],
) -> Learner:
    """The average of a learner's weights over a lesson."""
    learner = learner.train().to(memory_format=torch.channels_last)
    average = AveragedModel(
        learner, multi_avg_fn=get_ema_multi_avg_fn(lesson.average), use_buffers=True
    )
    optimizer = torch.optim.AdamW(
        learner.parameters(), lr=plan.learning_rate, weight_decay=0.05, fused=True
    )
    checkpoint, done = work / f"{lesson.name}.pt", 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        learner.load_state_dict(state["learner"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        done = state["step"]
    start, first = time.perf_counter(), done
    for step in range(done, lesson.steps):
        optimizer.param_groups[0]["lr"] = plan.learning_rate * _warmed_cosine(step / lesson.steps)
        loss = lesson.loss(learner, step)
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
                f"{lesson.name} {done}/{lesson.steps}  loss {loss.item():.3f}  "
                f"{speed * plan.batch_size:.0f} pictures/s  "
                f"{(lesson.steps - done) / speed / 60:.0f} min left  {memory} MiB"
            )
        if done % plan.save_interval == 0 or done == lesson.steps:
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
    return _averaged(average)


def _averaged(average: AveragedModel) -> Learner:
    assert isinstance(average.module, Learner)
    return average.module


def _warmed_cosine(part: float) -> float:
    return min(1.0, part / 0.04 + 0.01) * 0.5 * (1 + math.cos(math.pi * part))
