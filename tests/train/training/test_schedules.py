# SPDX-License-Identifier: Apache-2.0
"""The learning rate of every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from yuren_train.config import TrainConfig
from yuren_train.training.schedules import lr_schedule


def scales(total: int, **values: Any) -> list[float]:
    config = TrainConfig(stage="stage1", model="m", data=(), out=Path("out"), **values)
    scale = lr_schedule(config, total)
    return [scale(step) for step in range(1, total + 1)]


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize("warmup", [0, 4, 0.2])
def test_every_step_learns_and_the_warm_up_ends_on_the_peak(schedule: str, warmup: float) -> None:
    found = scales(20, schedule=schedule, warmup=warmup)
    assert min(found) > 0
    assert max(found) == 1.0
    steps = 4 if warmup else 1
    assert found[steps - 1] == 1.0
    assert found[:steps] == sorted(found[:steps])
    assert found[steps:] == sorted(found[steps:], reverse=True)
    assert (found[-1] == 1.0) is (schedule == "constant")


def test_values() -> None:
    assert scales(4, schedule="linear", warmup=0) == [1.0, 0.75, 0.5, 0.25]
    assert scales(5, schedule="linear", warmup=1) == pytest.approx([1.0, 1.0, 0.75, 0.5, 0.25])
    assert scales(3, schedule="cosine", warmup=0) == pytest.approx([1.0, 0.75, 0.25])


def test_a_warm_up_longer_than_the_run() -> None:
    assert scales(2, warmup=10) == [0.5, 1.0]
