# SPDX-License-Identifier: Apache-2.0
"""Every step of a run, over its epochs: known before the first, and the same after a restart."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yuren_train.config import TrainConfig
from yuren_train.data.packing import Step, packing_efficiency, plan_epoch
from yuren_train.data.tokenized import TokenizedRows


@dataclass(frozen=True, slots=True)
class NumberedStep:
    """One optimizer step in its place.

    Attributes:
        number: from 1 over the whole run.
        epoch: passes over the data when the step is done, in fractions.
        plan: its samples.
        tokens: of these samples.
        label_tokens: what the loss of this step is divided by, on every rank.
        pictures: of these samples.
    """

    number: int
    epoch: float
    plan: Step
    tokens: int
    label_tokens: int
    pictures: int = 0


class RunPlan:
    """The steps of a run.

    Args:
        rows: what is learned from.
        config: of the run.
        world: processes that share each step.
    """

    def __init__(self, rows: TokenizedRows, config: TrainConfig, world: int) -> None:
        self._lengths: NDArray[np.int32] = rows.lengths
        self._label_counts: NDArray[np.int32] = rows.label_counts
        self._image_counts: NDArray[np.int32] = rows.image_counts
        self._config = config
        self._micro_batches = world * config.grad_accum
        self._epoch_steps: list[int] = []
        first = self._plan(0)
        self.packing_efficiency: float | None = None
        if config.order == "packed":
            self.packing_efficiency = packing_efficiency(first, rows.lengths, config.max_length)
        self.total_steps = self._count(len(first))

    def steps(self, *, after: int = 0) -> Iterator[NumberedStep]:
        """The steps behind number `after`, in order."""
        number = 0
        for epoch, size in enumerate(self._epoch_steps):
            if number + size <= after:
                number += size
                continue
            plan = self._plan(epoch)
            for place, step in enumerate(plan):
                number += 1
                if number > self.total_steps:
                    return
                if number > after:
                    samples = list(step.samples)
                    yield NumberedStep(
                        number,
                        epoch + (place + 1) / len(plan),
                        step,
                        int(self._lengths[samples].sum()),
                        int(self._label_counts[samples].sum()),
                        int(self._image_counts[samples].sum()),
                    )

    def _count(self, first: int) -> int:
        """How many steps there are; as many epochs are planned as are needed to know."""
        whole, part = divmod(self._config.epochs, 1)
        limit = self._config.max_steps or math.inf
        total = 0
        for epoch in range(int(whole) + (part > 0)):
            if total >= limit:
                break
            size = first if epoch == 0 else len(self._plan(epoch))
            self._epoch_steps.append(size)
            total += size if epoch < whole else math.ceil(round(size * part, 6))
        return int(min(total, limit))

    def _plan(self, epoch: int) -> list[Step]:
        return plan_epoch(
            self._lengths,
            order=self._config.order,
            max_length=self._config.max_length,
            batch_size=self._config.batch_size,
            micro_batches=self._micro_batches,
            seed=self._config.seed,
            epoch=epoch,
            image_counts=self._image_counts,
        )
