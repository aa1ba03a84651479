# SPDX-License-Identifier: Apache-2.0
"""What is told of a stretch of steps: means over `log_interval` of them.

Everything that people see of the steps (lines, curves, metrics.jsonl, trackers) is one of these
values, so that all of them say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from yuren_train.config import TrainConfig, in_steps
from yuren_train.config.model_shape import ModelShape
from yuren_train.training.compute import flops_per_token, peak_flops
from yuren_train.training.events import Started, Stepped


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The steps since the last one, the newest included.

    Attributes:
        step: the newest.
        total_steps: of the whole run.
        epoch: passes over the data so far, in fractions.
        loss: in nats, mean over the label tokens of these steps.
        lr: that the newest took.
        grad_norm: the largest before clipping.
        samples: rows, all ranks.
        tokens: of these rows.
        label_tokens: those of them that were learned.
        seconds: wall time without evaluation and saving.
        data_seconds: of these, waiting for data.
        memory_bytes: peak so far.
        mfu: share of the chips' peak that the model's products took; None for unknown chips.
    """

    step: int
    total_steps: int
    epoch: float
    loss: float
    lr: float
    grad_norm: float
    samples: int
    tokens: int
    label_tokens: int
    seconds: float
    data_seconds: float
    memory_bytes: int
    mfu: float | None = None

    @property
    def tokens_per_second(self) -> float:
        """Tokens read a second, over all ranks."""
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def samples_per_second(self) -> float:
        """Rows read a second, over all ranks."""
        return self.samples / self.seconds if self.seconds else 0.0


class Intervals:
    """Gathers steps into intervals.

    Args:
        config: of the run.
        shape: of its model, for the share of the peak.
        started: the event of the run.
    """

    def __init__(self, config: TrainConfig, shape: ModelShape, started: Started) -> None:
        self._config = config
        self._shape = shape
        self._every = max(1, in_steps(config.log_interval, started.total_steps))
        peak = peak_flops(started.device_name)
        self._peak = None if peak is None else peak * started.world
        self._steps: list[Stepped] = []

    def add(self, stepped: Stepped) -> Interval | None:
        """Take a step in; returns the interval that ends with it, if one does."""
        self._steps.append(stepped)
        if stepped.step % self._every and stepped.step != stepped.total_steps:
            return None
        steps, self._steps = self._steps, []
        interval = _mean(steps)
        return replace(interval, mfu=self._mfu(interval))

    def _mfu(self, interval: Interval) -> float | None:
        if self._peak is None or not interval.tokens or not interval.seconds:
            return None
        length = round(interval.tokens / interval.samples)
        learned = interval.label_tokens / interval.tokens
        each = flops_per_token(self._config, self._shape, length, learned=learned)
        return each * interval.tokens_per_second / self._peak


def _mean(steps: Sequence[Stepped]) -> Interval:
    last = steps[-1]
    label_tokens = sum(step.label_tokens for step in steps)
    return Interval(
        step=last.step,
        total_steps=last.total_steps,
        epoch=last.epoch,
        loss=sum(step.loss * step.label_tokens for step in steps) / max(label_tokens, 1),
        lr=last.lr,
        grad_norm=max(step.grad_norm for step in steps),
        samples=sum(step.samples for step in steps),
        tokens=sum(step.tokens for step in steps),
        label_tokens=label_tokens,
        seconds=sum(step.seconds for step in steps),
        data_seconds=sum(step.data_seconds for step in steps),
        memory_bytes=max(step.memory_bytes for step in steps),
    )
