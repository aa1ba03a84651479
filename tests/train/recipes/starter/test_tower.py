# SPDX-License-Identifier: Apache-2.0
"""The tower is measured as it is, and saved as open_clip's own."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional

from tests.train.recipes.starter.tiny_art import directions, flat_sprites
from yuren_core.model.vision_tower import VisionTower
from yuren_train.recipes.starter.scenes import SceneMaker
from yuren_train.recipes.starter.tower import (
    IMAGE_SIZE,
    STRIDE,
    Learner,
    flat,
    recognised,
    save_tower,
)


def test_before_it_is_trained_the_last_block_changes_nothing() -> None:
    learner = Learner(directions()).eval()
    pixels = SceneMaker(flat_sprites(), 2).batch(2, 64, seed=4).pixels
    with torch.no_grad():
        blurred = learner.blurred(pixels)
        torch.testing.assert_close(learner.sharpener(blurred), blurred)


def test_a_channel_that_is_off_hears_only_that_it_should_be_on() -> None:
    relu = Learner(directions()).sharpener.act3
    x = torch.tensor([-1.0, -1.0, 2.0, 2.0], requires_grad=True)
    y = relu(x)
    torch.testing.assert_close(y, x.clamp_min(0))
    y.backward(torch.tensor([1.0, -1.0, 1.0, -1.0]))
    assert x.grad is not None
    off_lower, off_higher, on_lower, on_higher = x.grad.tolist()
    assert off_lower == 0
    assert -1 < off_higher < 0
    assert (on_lower, on_higher) == (1, -1)


def test_what_is_recognised_is_measured_and_changes_nothing() -> None:
    learner = Learner(directions())
    before = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    scores = recognised(learner, flat_sprites())
    assert set(scores) == {"top 1", "top 5", "kind", "sharp", "cosine to right", "to best wrong"}
    assert 0 <= scores["top 1"] <= scores["top 5"] <= 1
    assert scores["cosine to right"] < 1
    assert learner.training
    assert all(torch.equal(before[name], tensor) for name, tensor in learner.state_dict().items())


def test_open_clip_itself_gives_the_vector_among_names(tmp_path: Path) -> None:
    learner = Learner(directions()).eval()
    pixels = SceneMaker(flat_sprites(), IMAGE_SIZE // STRIDE).batch(2, IMAGE_SIZE, seed=4).pixels
    torch.nn.init.ones_(learner.sharpener.bn3.weight)  # as if it had learned
    with torch.no_grad():
        cells = flat(learner.sharpener(learner.blurred(pixels)))
        expected = learner.sharply_named(cells.mean(1))[:, :-1] @ directions()
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
