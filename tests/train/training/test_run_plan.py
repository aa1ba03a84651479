# SPDX-License-Identifier: Apache-2.0
"""Every step of a run is known before the first, whoever computes it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from yuren_train.config import TrainConfig
from yuren_train.training.run_plan import NumberedStep, RunPlan

ROWS: Any = SimpleNamespace(
    lengths=np.random.default_rng(0).integers(5, 90, 50).astype(np.int32),
    label_counts=np.random.default_rng(1).integers(1, 5, 50).astype(np.int32),
    image_counts=np.zeros(50, np.int32),
)


def plan(world: int = 1, **values: Any) -> RunPlan:
    standard: dict[str, Any] = {"max_length": 100, "batch_size": 8, "order": "shuffled"}
    config = TrainConfig(
        stage="stage1", model="m", data=(), out=Path("out"), **{**standard, **values}
    )
    return RunPlan(ROWS, config, world)


def content(step: NumberedStep) -> tuple[Any, ...]:
    return (step.number, step.epoch, step.plan.samples, step.tokens, step.label_tokens)


@pytest.mark.parametrize("order", ["packed", "grouped", "shuffled"])
def test_who_computes_a_step_does_not_change_it(order: Any) -> None:
    one = [content(step) for step in plan(order=order, epochs=2).steps()]
    for world, batch_size, grad_accum in ((1, 2, 4), (2, 4, 1), (4, 1, 2)):
        other = plan(world, order=order, epochs=2, batch_size=batch_size, grad_accum=grad_accum)
        assert [content(step) for step in other.steps()] == one


def test_an_epoch_shows_every_row_once() -> None:
    steps = list(plan(epochs=2).steps())
    half = len(steps) // 2
    for epoch in (steps[:half], steps[half:]):
        assert sorted(row for step in epoch for row in step.plan.samples) == list(range(50))
        assert sum(step.label_tokens for step in epoch) == ROWS.label_counts.sum()
    assert [step.epoch for step in steps][half - 1 :: half] == [1.0, 2.0]
    assert steps[0].plan.samples != steps[half].plan.samples


@pytest.mark.parametrize("after", [0, 3, 7, 12, 14])
def test_a_run_that_goes_on_takes_the_steps_that_are_left(after: int) -> None:
    whole = [content(step) for step in plan(epochs=2).steps()]
    assert [content(step) for step in plan(epochs=2).steps(after=after)] == whole[after:]


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        ({}, 7),
        ({"epochs": 2.5}, 18),
        ({"epochs": 0.1}, 1),
        ({"epochs": 1.1, "batch_size": 5}, 11),
        ({"max_steps": 5}, 5),
        ({"epochs": 3, "max_steps": 9}, 9),
        ({"max_steps": 99}, 7),
    ],
)
def test_how_many_steps_there_are(values: dict[str, Any], steps: int) -> None:
    assert plan(**values).total_steps == steps
    assert len(list(plan(**values).steps())) == steps


def test_only_packing_has_an_efficiency() -> None:
    assert plan().packing_efficiency is None
    found = plan(order="packed").packing_efficiency
    assert found is not None
    assert 0.8 < found <= 1
