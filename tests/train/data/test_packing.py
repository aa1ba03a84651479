# SPDX-License-Identifier: Apache-2.0
"""Plans of an epoch: nothing lost or repeated, full bins, the same steps however they are split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from yuren_train.config import Order
from yuren_train.data import packing
from yuren_train.data.packing import Step, packing_efficiency, plan_epoch

ORDERS: tuple[Order, ...] = ("packed", "grouped", "shuffled")
MAX_LENGTH = 64

orders = st.sampled_from(ORDERS)
lengths_of_samples = st.lists(st.integers(1, MAX_LENGTH), max_size=80).map(
    lambda lengths: np.array(lengths, np.int32)
)


def plan(lengths: NDArray[np.int32], **changes: Any) -> list[Step]:
    arguments: dict[str, Any] = {
        "order": "packed",
        "max_length": MAX_LENGTH,
        "batch_size": 2,
        "micro_batches": 3,
        "seed": 0,
        "epoch": 0,
    }
    return plan_epoch(lengths, **{**arguments, **changes})


def some_lengths(count: int, seed: int = 0) -> NDArray[np.int32]:
    return np.random.default_rng(seed).integers(1, MAX_LENGTH + 1, count).astype(np.int32)


@given(lengths_of_samples, orders, st.integers(1, 4), st.integers(1, 4))
def test_every_sample_comes_once_and_within_its_room(
    lengths: NDArray[np.int32], order: Order, batch_size: int, micro_batches: int
) -> None:
    steps = plan(lengths, order=order, batch_size=batch_size, micro_batches=micro_batches)
    assert sorted(place for step in steps for place in step.samples) == list(range(len(lengths)))
    for step in steps:
        assert len(step.micro_batches) == micro_batches
        for batch in step.micro_batches:
            tokens = int(lengths[list(batch)].sum())
            assert tokens <= batch_size * MAX_LENGTH
            assert order == "packed" or len(batch) <= batch_size
        assert step.rows <= batch_size * micro_batches
    assert all(step.rows == batch_size * micro_batches for step in steps[:-1])
    assert all(step.samples for step in steps)


@given(lengths_of_samples, orders, st.integers(0, 3))
def test_the_samples_of_a_step_do_not_depend_on_the_split(
    lengths: NDArray[np.int32], order: Order, seed: int
) -> None:
    splits = [(8, 1), (1, 8), (2, 4), (4, 2)]
    plans = [
        plan(lengths, order=order, batch_size=size, micro_batches=count, seed=seed)
        for size, count in splits
    ]
    for other in plans[1:]:
        assert [step.samples for step in other] == [step.samples for step in plans[0]]


@pytest.mark.parametrize("order", ORDERS)
def test_seed_and_epoch_fix_the_order(order: Order) -> None:
    lengths = some_lengths(500)
    assert plan(lengths, order=order) == plan(lengths, order=order)
    assert plan(lengths, order=order) != plan(lengths, order=order, seed=1)
    assert plan(lengths, order=order) != plan(lengths, order=order, epoch=1)


def test_packing_fills_its_bins() -> None:
    lengths = some_lengths(3000)
    steps = plan(lengths)
    assert packing_efficiency(steps, lengths, MAX_LENGTH) > 0.97
    assert packing_efficiency(plan(lengths, order="shuffled"), lengths, MAX_LENGTH) < 0.6
    assert packing_efficiency([], lengths, MAX_LENGTH) == 1.0


def test_best_fit_takes_the_fullest_bin_that_has_room() -> None:
    # 40 and 34 open bins with 24 and 30 left; 24 goes into the first, 30 into the second.
    steps = plan(np.array([24, 30, 34, 40], np.int32), batch_size=1, micro_batches=2)
    assert len(steps) == 1
    assert {frozenset(batch) for batch in steps[0].micro_batches} == {
        frozenset({0, 3}),
        frozenset({1, 2}),
    }


def test_packing_is_done_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_PACKING_WINDOW", 50)
    lengths = some_lengths(500)
    steps = plan(lengths)
    assert sorted(place for step in steps for place in step.samples) == list(range(500))
    assert packing_efficiency(steps, lengths, MAX_LENGTH) > 0.9


def test_grouping_puts_like_lengths_together_in_no_order_of_length() -> None:
    lengths = some_lengths(3000)

    def spread(order: Order) -> float:
        steps = plan(lengths, order=order)
        return float(np.mean([np.ptp(lengths[list(step.samples)]) for step in steps]))

    assert spread("grouped") < spread("shuffled") / 10
    means = [lengths[list(step.samples)].mean() for step in plan(lengths, order="grouped")]
    assert means != sorted(means)
    assert means != sorted(means, reverse=True)


def test_grouping_keeps_pictures_apart_from_text() -> None:
    lengths = some_lengths(3000)
    image_counts = (np.arange(3000) % 3 == 0).astype(np.int32)
    steps = plan(lengths, order="grouped", image_counts=image_counts)
    shares = [image_counts[list(step.samples)].mean() for step in steps]
    assert sum(0 < share < 1 for share in shares) < 0.05 * len(shares)
    plain = plan(lengths, order="grouped")
    assert sum(0 < image_counts[list(step.samples)].mean() < 1 for step in plain) > len(plain) / 2


@pytest.mark.parametrize("order", ORDERS)
def test_micro_batches_are_balanced_and_the_largest_comes_first(order: Order) -> None:
    lengths = some_lengths(2000)
    for step in plan(lengths, order=order, batch_size=8, micro_batches=4)[:-1]:
        tokens = [int(lengths[list(batch)].sum()) for batch in step.micro_batches]
        assert tokens == sorted(tokens, reverse=True)
        assert tokens[0] - tokens[-1] <= MAX_LENGTH


def test_the_last_step_is_smaller_and_spread_over_all_micro_batches() -> None:
    lengths = np.full(6 + 2, 10, np.int32)
    last = plan(lengths, order="shuffled")[-1]
    assert sorted(map(len, last.micro_batches)) == [0, 1, 1]


def test_a_sample_longer_than_a_bin_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="65"):
        plan(np.array([65], np.int32))
