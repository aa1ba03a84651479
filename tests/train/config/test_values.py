# SPDX-License-Identifier: Apache-2.0
"""Intervals in steps and in fractions."""

from __future__ import annotations

import pytest

from yuren_train.config import in_steps


@pytest.mark.parametrize(
    ("interval", "total", "steps"),
    [(0, 100, 0), (5, 100, 5), (0.07, 100, 7), (0.03, 10, 1), (0.25, 10, 3), (0.1, 0, 1)],
)
def test_a_fraction_is_rounded_up_and_rounding_errors_are_not(
    interval: float, total: int, steps: int
) -> None:
    assert in_steps(interval, total) == steps
