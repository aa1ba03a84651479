# SPDX-License-Identifier: Apache-2.0
"""Means over log intervals."""

from __future__ import annotations

import pytest

from tests.train.training.run_events import SHAPE, config, started, stepped
from yuren_train.training.compute import flops_per_token
from yuren_train.training.intervals import Interval, Intervals


def intervals_of(log_interval: float, steps: int = 10, device_name: str = "") -> list[Interval]:
    run = config(log_interval=log_interval)
    intervals = Intervals(run, SHAPE, started(run, device_name=device_name, world=2))
    return [one for step in range(1, steps + 1) if (one := intervals.add(stepped(step)))]


@pytest.mark.parametrize(
    ("log_interval", "ends"),
    [(1, list(range(1, 11))), (4, [4, 8, 10]), (0.5, [5, 10]), (100, [10])],
)
def test_an_interval_ends_every_n_steps_and_with_the_run(
    log_interval: float, ends: list[int]
) -> None:
    assert [interval.step for interval in intervals_of(log_interval)] == ends


def test_the_loss_is_the_mean_over_label_tokens() -> None:
    run = config(log_interval=2)
    intervals = Intervals(run, SHAPE, started(run))
    assert intervals.add(stepped(1, loss=1.0, label_tokens=300, grad_norm=7.0)) is None
    interval = intervals.add(stepped(2, loss=5.0, label_tokens=100, lr=5e-5))
    assert interval is not None
    assert interval.loss == pytest.approx(2.0)
    assert interval.grad_norm == 7.0
    assert interval.lr == 5e-5
    assert interval.tokens == 800
    assert interval.tokens_per_second == pytest.approx(200)
    assert interval.samples_per_second == pytest.approx(2)


def test_the_share_of_the_peak_is_of_all_chips_and_none_for_unknown_ones() -> None:
    (*_, known) = intervals_of(1, device_name="NVIDIA A100-SXM4-80GB")
    each = flops_per_token(config(), SHAPE, 100, learned=0.25)
    assert known.mfu == pytest.approx(each * 200 / (2 * 312e12))
    (*_, unknown) = intervals_of(1, device_name="NVIDIA Nothing 1")
    assert unknown.mfu is None
