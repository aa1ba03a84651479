# SPDX-License-Identifier: Apache-2.0
"""A curve of losses in the cells of a terminal: every loss as a dot, their trend as a line.

A cell holds two dots by four (Unicode braille), so that 60 columns show 120 places. What is
remembered is bounded: beyond `_MOST` points neighbours become one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby, pairwise
from operator import itemgetter

from rich.text import Text

_MOST = 1024
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # by row, then column
_BRAILLE = 0x2800
_EVALUATED = "o"
_FENCE = 0.02  # share of the losses at either end that may lie outside


@dataclass(slots=True)
class Losses:
    """Losses by step, in order, as few as a curve needs; at least one point to be drawn.

    Attributes:
        points: step and loss; of many steps their mean.
        evaluated: the same of evaluations; all of them.
    """

    points: list[tuple[float, float]] = field(default_factory=list)
    evaluated: list[tuple[float, float]] = field(default_factory=list)
    _stride: int = 1
    _pending: list[tuple[float, float]] = field(default_factory=list)

    def add(self, step: int, loss: float) -> None:
        """A loss of training."""
        self._pending.append((step, loss))
        if len(self._pending) < self._stride:
            return
        self.points.append(_middle(self._pending))
        self._pending = []
        if len(self.points) >= _MOST:
            pairs = zip(self.points[::2], self.points[1::2], strict=False)
            self.points = [_middle(pair) for pair in pairs]
            self._stride *= 2

    def trend(self) -> list[tuple[float, float]]:
        """The points, smoothed."""
        return list(zip((step for step, _ in self.points), smoothed(self.points), strict=True))


def smoothed(points: Sequence[tuple[float, float]]) -> list[float]:
    """Means of the losses around each point, over about a tenth of all."""
    reach = len(points) // 20
    sums = list(accumulate((loss for _, loss in points), initial=0.0))
    spans = [(max(i - reach, 0), min(i + reach + 1, len(points))) for i in range(len(points))]
    return [(sums[end] - sums[start]) / (end - start) for start, end in spans]


def draw_curve(losses: Losses, *, width: int, height: int) -> list[Text]:
    """The curve, with the scale of losses at its left and of steps below.

    Args:
        losses: at least one.
        width: columns of all.
        height: rows of all, 3 or more.

    Returns:
        `height` lines of at most `width` cells.
    """
    low, high = _range(losses)
    labels = (f"{high:.3g}", f"{low:.3g}")
    margin = max(map(len, labels))
    canvas = _Canvas(max(width - margin - 2, 1), height - 1, _steps(losses), (low, high))
    for step, loss in losses.points:
        canvas.dot(step, loss)
    for (left, before), (right, after) in _pairs(losses.trend()):
        canvas.line(left, before, right, after)
    for step, loss in losses.evaluated:
        canvas.mark(step, loss)
    lines = []
    for row, cells in enumerate(canvas.rows()):
        label = labels[0] if row == 0 else labels[1] if row == height - 2 else ""
        edge = "┤" if label else "│"
        lines.append(Text.assemble((f"{label:>{margin}} {edge}", "dim"), cells))
    first, last = (f"{round(step)}" for step in _steps(losses))
    room = max(width - margin - 2 - len(first), 0)
    scale = f"{first}{last:>{room}}" if last != first else f"{first:^{room}}"
    lines.append(Text(f"{'':{margin + 2}}{scale}", "dim"))
    return lines


class _Canvas:
    def __init__(
        self, columns: int, rows: int, steps: tuple[float, float], losses: tuple[float, float]
    ) -> None:
        self._columns, self._rows = columns, rows
        self._steps, self._losses = steps, losses
        self._dots = [[0] * columns for _ in range(rows)]
        self._on_line = [[False] * columns for _ in range(rows)]
        self._marks: set[tuple[int, int]] = set()

    def dot(self, step: float, loss: float) -> None:
        x, y = self._place(step, loss)
        self._dots[y // 4][x // 2] |= _DOTS[y % 4][x % 2]

    def line(self, left: float, before: float, right: float, after: float) -> None:
        (x1, y1), (x2, y2) = self._place(left, before), self._place(right, after)
        count = max(abs(x2 - x1), abs(y2 - y1), 1)
        for part in range(count + 1):
            x = round(x1 + (x2 - x1) * part / count)
            y = round(y1 + (y2 - y1) * part / count)
            self._dots[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
            self._on_line[y // 4][x // 2] = True

    def mark(self, step: float, loss: float) -> None:
        x, y = self._place(step, loss)
        self._marks.add((y // 4, x // 2))

    def rows(self) -> Iterator[Text]:
        for row, cells in enumerate(self._dots):
            styled = [self._cell(row, column, dots) for column, dots in enumerate(cells)]
            runs = groupby(styled, key=itemgetter(1))
            yield Text.assemble(*(("".join(cell for cell, _ in run), style) for style, run in runs))

    def _cell(self, row: int, column: int, dots: int) -> tuple[str, str]:
        if (row, column) in self._marks:
            return _EVALUATED, "bold yellow"
        style = "cyan" if self._on_line[row][column] else "dim" if dots else ""
        return chr(_BRAILLE + dots) if dots else " ", style

    def _place(self, step: float, loss: float) -> tuple[int, int]:
        x = _scaled(step, self._steps, self._columns * 2 - 1)
        y = self._rows * 4 - 1 - _scaled(loss, self._losses, self._rows * 4 - 1)
        return x, y


def _scaled(value: float, limits: tuple[float, float], most: int) -> int:
    low, high = limits
    share = (value - low) / (high - low) if high > low else 0.5
    return round(min(max(share, 0.0), 1.0) * most)


def _steps(losses: Losses) -> tuple[float, float]:
    steps = [step for step, _ in (*losses.points, *losses.evaluated)]
    return min(steps), max(steps)


def _range(losses: Losses) -> tuple[float, float]:
    """Low and high end of the losses, without the few that lie far out."""
    values = sorted(loss for _, loss in losses.points)
    out = int(len(values) * _FENCE)
    kept = values[out : len(values) - out]
    kept += [loss for _, loss in losses.evaluated]
    low, high = min(kept), max(kept)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _middle(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    count = len(points)
    return sum(step for step, _ in points) / count, sum(loss for _, loss in points) / count


def _pairs(
    points: Sequence[tuple[float, float]],
) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    if len(points) == 1:
        yield points[0], points[0]
    yield from pairwise(points)
