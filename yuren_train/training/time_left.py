# SPDX-License-Identifier: Apache-2.0
"""How long a run still takes: by the pace of its newest steps, evaluations and saving included."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from yuren_train.training.events import Event, Started, Stepped
from yuren_train.training.intervals import Interval

_REMEMBERED = 50  # steps that the pace is taken from


class TimeLeft:
    """Told the events of a run, knows when it ends.

    The pace is the wall time between steps, so that what happens in between counts too.

    Args:
        clock: seconds of a clock that only goes forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._done: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED)
        self._total = 0

    def __call__(self, told: Event | Interval) -> None:
        """Take in a step."""
        if isinstance(told, Started):
            self._done.append((told.step, self._clock()))
            self._total = told.total_steps
        elif isinstance(told, Stepped):
            self._done.append((told.step, self._clock()))

    def seconds(self) -> float | None:
        """From now on; None before there is a pace."""
        if len(self._done) < 2:
            return None
        (first, began), (last, ended) = self._done[0], self._done[-1]
        pace = (ended - began) / max(last - first, 1)
        return max(0.0, pace * (self._total - last) - (self._clock() - ended))
