# SPDX-License-Identifier: Apache-2.0
"""Which parameters decay, and at which rate they learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from yuren_core.model.loading import load_model
from yuren_train.config import TrainConfig
from yuren_train.training.freezing import freezing_table, train_all, train_projector_alone
from yuren_train.training.learner import Learner
from yuren_train.training.optimizers import make_optimizer, parameter_groups, set_lr


@pytest.fixture
def learner(multimodal_model: Path) -> Learner:
    return Learner(load_model(str(multimodal_model), load="fp32", device="cpu").model)


def config(**values: Any) -> TrainConfig:
    return TrainConfig(stage="stage3", model="m", data=(), out=Path("out"), **values)


def test_matrices_decay_and_vectors_do_not(learner: Learner) -> None:
    train_all(learner.model)
    groups = parameter_groups(learner, config(weight_decay=0.1))
    decays = {group["weight_decay"]: group["params"] for group in groups}
    assert all(one.ndim >= 2 for one in decays[0.1])
    assert all(one.ndim == 1 for one in decays[0.0])
    assert sum(map(len, decays.values())) == len(list(learner.parameters()))


def test_the_projector_has_its_own_rate(learner: Learner) -> None:
    train_all(learner.model)
    groups = parameter_groups(learner, config(lr=1e-5, projector_lr=1e-3))
    (own,) = [group for group in groups if group["lr"] == 1e-3]
    assert {tuple(one.shape) for one in own["params"]} == {(64, 32), (64,)}
    assert set_lr(groups, 0.5) == pytest.approx(5e-6)
    assert own["lr"] == pytest.approx(5e-4)


def test_only_the_projector_learns_in_stage_2(learner: Learner) -> None:
    train_projector_alone(learner.model)
    table = freezing_table(learner.model)
    assert table.trainable == 64 * 32 + 64
    assert [part.name for part in table.parts if part.trainable] == ["mm_projector"]
    assert table.parameters == sum(one.numel() for one in learner.model.parameters())
    assert sum("layers.*" in line for line in table.lines()) > 5


@pytest.mark.parametrize("name", ["adamw", "adamw_8bit", "paged_adamw_8bit"])
def test_every_optimizer_learns(learner: Learner, name: Any) -> None:
    train_projector_alone(learner.model)
    optimizer = make_optimizer(learner, config(optimizer=name, lr=1e-2))
    (weight, *_) = optimizer.param_groups[0]["params"]
    before = weight.detach().clone()
    for group in optimizer.param_groups:
        for one in group["params"]:
            one.grad = torch.ones_like(one)
    optimizer.step()
    assert torch.all(weight < before)
