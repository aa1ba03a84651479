# SPDX-License-Identifier: Apache-2.0
"""The tower learns cell by cell, goes on as if never stopped, and is saved as open_clip's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.train.recipes.starter.tiny_art import flat_sprites
from yuren_core.model.vision_tower import VisionTower
from yuren_train.recipes.starter.art import concepts
from yuren_train.recipes.starter.scenes import SceneMaker
from yuren_train.recipes.starter.tower import (
    IMAGE_SIZE,
    STRIDE,
    Learner,
    TowerTraining,
    loss_of,
    name_targets,
    recognised,
    save_tower,
    train_tower,
)

PLAN = TowerTraining(steps=3, batch_size=4, small=0.5, save_interval=1)
TEXT_WIDTH = 16


def directions() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(len(concepts()), TEXT_WIDTH, generator=generator)
    return functional.normalize(vectors, dim=-1)


def train(
    work: Path, measure: Callable[[Learner], Mapping[str, float]] = lambda _: {}
) -> dict[str, Tensor]:
    work.mkdir(exist_ok=True)
    learner = train_tower(
        flat_sprites(), directions(), PLAN, work, measure=measure, tell=lambda _: None
    )
    return dict(learner.state_dict())


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


def test_a_step_lowers_the_loss_on_the_same_scenes() -> None:
    torch.manual_seed(0)
    learner = Learner(directions())
    scenes = SceneMaker(flat_sprites(), 2).batch(8, 64, seed=3)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=1e-3)
    losses = []
    for _ in range(6):
        loss = loss_of(learner, scenes)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_killed_and_started_again_it_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")
    measured = 0

    def killed(_: Learner) -> Mapping[str, float]:
        nonlocal measured
        measured += 1
        if measured == 2:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", killed)
    assert torch.load(tmp_path / "killed" / "tower.pt", weights_only=True)["step"] == 2
    steps: list[str] = []
    again = train(tmp_path / "killed", lambda _: steps.append("measured") or {})  # type: ignore[func-returns-value]
    assert steps == ["measured"]
    assert whole.keys() == again.keys()
    assert [name for name in whole if not torch.equal(whole[name], again[name])] == []


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    whole = train(tmp_path / "work")

    def unasked(_: Learner) -> Mapping[str, float]:
        raise AssertionError

    again = train(tmp_path / "work", unasked)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_what_is_recognised_is_measured_and_changes_nothing() -> None:
    learner = Learner(directions())
    before = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    scores = recognised(learner, flat_sprites())
    assert set(scores) == {"top 1", "top 5", "kind"}
    assert 0 <= scores["top 1"] <= scores["top 5"] <= 1
    assert learner.training
    assert all(torch.equal(before[name], tensor) for name, tensor in learner.state_dict().items())


def test_open_clip_itself_gives_the_vector_among_names(tmp_path: Path) -> None:
    learner = Learner(directions()).eval()
    pixels = SceneMaker(flat_sprites(), IMAGE_SIZE // STRIDE).batch(2, IMAGE_SIZE, seed=4).pixels
    with torch.no_grad():
        cells = learner.cells(pixels)
        scores = learner.named(cells.mean(1))[:, :-1]
        expected = scores @ directions()
    save_tower(learner, tmp_path / "tower")
    tower = VisionTower.from_directory(tmp_path / "tower", -1)
    normalised = (pixels - 0.5) / 0.25
    features = tower(normalised)
    assert features.shape == (2, (IMAGE_SIZE // STRIDE) ** 2, tower.hidden_size)
    cosine = functional.cosine_similarity(features, cells, dim=-1)
    assert cosine.min() > 0.99  # bf16 in the file
    with torch.no_grad():
        vectors = tower.visual(normalised)
    assert functional.cosine_similarity(vectors, expected, dim=-1).min() > 0.99
