# SPDX-License-Identifier: Apache-2.0
"""A step's share of one rank, as batches: made by a thread while the model computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from yuren_train.data.collator import Batch
from yuren_train.data.samples import Sample
from yuren_train.training.processes import Processes
from yuren_train.training.run_plan import NumberedStep

_AHEAD = 2  # steps that are made before they are needed

Share = tuple[NumberedStep, list[Batch | None]]


def batches(
    steps: Iterable[NumberedStep],
    rows: Sequence[Sample],
    processes: Processes,
    *,
    collate: Callable[[Sequence[Sample]], Batch],
) -> Iterator[Share]:
    """The micro-batches of this rank, step by step.

    Every rank gets as many of a step as the others; None is one without samples.

    Args:
        steps: of the run, in order.
        rows: what their places mean.
        processes: who this process is.
        collate: makes a batch of samples: `Sight.collate`.
    """

    def make(step: NumberedStep) -> Share:
        mine = step.plan.micro_batches[processes.rank :: processes.world]
        return step, [
            collate([rows[place] for place in places]) if places else None for places in mine
        ]

    remaining = iter(steps)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        waiting: list[Future[Share]] = [
            pool.submit(make, step) for step in islice(remaining, _AHEAD)
        ]
        try:
            while waiting:
                share = waiting.pop(0).result()
                waiting += [pool.submit(make, step) for step in islice(remaining, 1)]
                yield share
        finally:
            for future in waiting:
                future.cancel()
