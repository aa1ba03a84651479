# SPDX-License-Identifier: Apache-2.0
"""Curves in the cells of a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from yuren_train.training.curve import Losses, draw_curve, smoothed


def losses(values: list[float]) -> Losses:
    made = Losses()
    for step, loss in enumerate(values, 1):
        made.add(step, loss)
    return made


def dotted(line: Text) -> list[int]:
    return [place for place, cell in enumerate(line.plain) if 0x2800 < ord(cell) < 0x2900]


def test_a_falling_loss_goes_from_top_left_to_bottom_right() -> None:
    lines = draw_curve(losses([5 - step / 100 for step in range(400)]), width=60, height=10)
    first = [min(dotted(line)) for line in lines[:-1]]
    assert first == sorted(first)
    assert len(set(first)) == len(first)
    assert lines[0].plain.startswith("4.92 ┤")
    assert lines[-1].plain.split() == ["1", "400"]


@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50),
    width=st.integers(8, 120),
    height=st.integers(3, 20),
)
def test_it_keeps_to_its_room(values: list[float], width: int, height: int) -> None:
    lines = draw_curve(losses(values), width=width, height=height)
    assert len(lines) == height
    assert any(dotted(line) for line in lines)
    if width >= 24:
        assert max(line.cell_len for line in lines) <= width


def test_evaluations_are_marks_that_need_no_colour() -> None:
    made = losses([4.0, 3.0, 2.0, 1.0])
    made.evaluated += [(0, 4.2), (4, 1.5)]
    text = "\n".join(line.plain for line in draw_curve(made, width=40, height=8))
    assert text.count("o") == 2


def test_one_that_lies_far_out_does_not_flatten_the_rest() -> None:
    values = [2.0 + (step % 7) / 10 for step in range(200)]
    values[3] = 900.0
    top = draw_curve(losses(values), width=60, height=8)[0].plain.split()[0]
    assert float(top) < 3


def test_a_long_run_is_remembered_in_few_points() -> None:
    made = losses([step / 1000 for step in range(100_000)])
    assert len(made.points) < 1100
    assert made.points[0][1] == pytest.approx(0, abs=0.2)
    assert made.points[-1][1] == pytest.approx(100, abs=0.3)


def test_the_trend_of_a_constant_is_itself() -> None:
    assert smoothed([(step, 3.0) for step in range(100)]) == pytest.approx([3.0] * 100)
