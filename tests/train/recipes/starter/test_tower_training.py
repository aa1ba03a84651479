# SPDX-License-Identifier: Apache-2.0
"""The tower learns cell by cell, first to name and then to be sharp, and goes on if stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.train.recipes.starter.tiny_art import directions, flat_sprites
from yuren_train.recipes.starter.art import concepts
from yuren_train.recipes.starter.scenes import SceneMaker, Scenes
from yuren_train.recipes.starter.tower import IMAGE_SIZE, Learner, flat
from yuren_train.recipes.starter.tower_training import (
    TowerTraining,
    name_targets,
    naming_loss,
    sharpening_loss,
    train_tower,
)

PLAN = TowerTraining(steps=3, sharpening=0.67, batch_size=4, small=0.5, save_interval=1)
Loss = Callable[[Learner, Scenes], Tensor]


def train(
    work: Path, measure: Callable[[Learner], Mapping[str, float]] = lambda _: {}
) -> dict[str, Tensor]:
    work.mkdir(exist_ok=True)
    learner = train_tower(
        flat_sprites(), directions(), PLAN, work, measure=measure, tell=lambda _: None
    )
    return dict(learner.state_dict())


def losses(learner: Learner, loss_of: Loss, steps: int) -> list[float]:
    """Of so many steps on the same scenes."""
    scenes = SceneMaker(flat_sprites(), 2).batch(8, 64, seed=3)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=1e-3)
    found = []
    for _ in range(steps):
        loss = loss_of(learner, scenes)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        found.append(loss.item())
    return found


def test_name_targets_are_shares_that_sum_to_one() -> None:
    scenes = SceneMaker(flat_sprites(), 3).batch(24, IMAGE_SIZE, seed=1)
    targets = name_targets(scenes, len(concepts()))
    assert targets.shape == (24, 9, len(concepts()) + 1)
    assert (targets >= 0).all()
    torch.testing.assert_close(targets.sum(-1), torch.ones(24, 9))
    for row in range(24):
        there = set(scenes.things[row, : scenes.counts[row]].tolist())
        assert set(targets[row, :, :-1].sum(0).nonzero().flatten().tolist()) <= there
    assert (targets[..., -1] > 0).any()


def test_an_empty_cell_shows_nothing_and_a_covered_one_its_thing() -> None:
    scenes = SceneMaker(flat_sprites("cat"), 3).batch(16, IMAGE_SIZE, seed=2)
    targets = name_targets(scenes, len(concepts()))
    covered = scenes.coverage.sum(1).flatten(1)
    assert (targets[..., -1][covered < 0.05] == 1).all()
    assert (targets[..., 0][covered > 0.1] > 0.999).all()


@pytest.mark.parametrize("loss_of", [naming_loss, lambda *it: sharpening_loss(*it, 0.0)])
def test_a_step_lowers_the_loss_on_the_same_scenes(loss_of: Loss) -> None:
    torch.manual_seed(0)
    found = losses(Learner(directions()), loss_of, 6)
    assert found[-1] < 0.9 * found[0]


def test_what_is_active_costs_something() -> None:
    scenes = SceneMaker(flat_sprites(), 2).batch(8, 64, seed=3)

    def activity(cost: float) -> float:
        torch.manual_seed(0)
        learner = Learner(directions())
        losses(learner, lambda *it: sharpening_loss(*it, cost), 6)
        with torch.no_grad():
            cells = flat(learner.sharpener(learner.blurred(scenes.pixels)))
        return float(cells[..., : len(concepts())].sum(-1).mean())

    assert activity(0.1) < 0.9 * activity(0.0)


@pytest.mark.parametrize(("at", "file", "step"), [(2, "naming.pt", 2), (4, "sharpening.pt", 1)])
def test_killed_and_started_again_it_ends_in_the_same_weights(
    tmp_path: Path, at: int, file: str, step: int
) -> None:
    whole = train(tmp_path / "whole")
    measured = 0

    def killed(_: Learner) -> Mapping[str, float]:
        nonlocal measured
        measured += 1
        if measured == at:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", killed)
    assert torch.load(tmp_path / "killed" / file, weights_only=True)["step"] == step
    measured = -10
    again = train(tmp_path / "killed", killed)
    assert measured == -10 + 5 - at
    assert whole.keys() == again.keys()
    assert [name for name in whole if not torch.equal(whole[name], again[name])] == []


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    whole = train(tmp_path / "work")

    def unasked(_: Learner) -> Mapping[str, float]:
        raise AssertionError

    again = train(tmp_path / "work", unasked)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
