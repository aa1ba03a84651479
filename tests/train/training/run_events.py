# SPDX-License-Identifier: Apache-2.0
"""The events of a run that nobody trained, and its settled config."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yuren_train.config import TrainConfig
from yuren_train.config.model_shape import REFERENCE_SHAPES
from yuren_train.config.settling import Settled
from yuren_train.training.events import (
    Evaluated,
    EvaluationStarted,
    Event,
    Finished,
    PhaseStarted,
    Sampled,
    Saved,
    Started,
    Stepped,
)
from yuren_train.training.intervals import Interval, Intervals

SHAPE = REFERENCE_SHAPES["135M"]


def config(out: Path = Path("runs/tiny"), **values: Any) -> TrainConfig:
    return TrainConfig(stage="stage1", model="/models/tiny", data=(), out=out, **values)


def settled(out: Path, **values: Any) -> Settled:
    return Settled(config(out, **values), {"lr": "command line"}, SHAPE)


def started(run: TrainConfig, **values: Any) -> Started:
    standard: dict[str, Any] = {
        "config": run,
        "step": 0,
        "total_steps": 10,
        "rows": 40,
        "tokens": 4000,
        "label_tokens": 1000,
        "packing_efficiency": 0.9,
        "trainable_parameters": 1000,
        "parameters": 2000,
        "world": 1,
        "device": "cpu",
        "device_name": "",
    }
    return Started(**{**standard, **values})


def stepped(step: int, **values: Any) -> Stepped:
    standard: dict[str, Any] = {
        "step": step,
        "total_steps": 10,
        "epoch": step / 10,
        "loss": 5.0 - step / 4,
        "lr": 1e-4,
        "grad_norm": 1.0,
        "samples": 4,
        "tokens": 400,
        "label_tokens": 100,
        "seconds": 2.0,
        "data_seconds": 0.1,
        "memory_bytes": 3 << 30,
    }
    return Stepped(**{**standard, **values})


def evaluated(step: int, loss: float) -> Evaluated:
    return Evaluated(step=step, loss=loss, label_tokens=50, seconds=1.0)


def sampled(step: int, answer: str, prompt: str = "Who are you?") -> Sampled:
    return Sampled(step=step, prompt=prompt, answer=answer)


def whole_run(run: TrainConfig, *, after: int = 0, until: int = 10) -> Iterator[Event]:
    """Ten steps, an evaluation with an answer at 0, 5 and 10, a checkpoint at 5."""
    yield PhaseStarted(phase="model")
    yield PhaseStarted(phase="data")
    yield PhaseStarted(phase="engine")
    yield started(run, step=after)
    for step in range(after, until + 1):
        if step > after:
            yield stepped(step)
        if step % 5 == 0 and (step > after or not after):
            yield EvaluationStarted(step=step)
            yield evaluated(step, 5.5 - step / 5)
            yield sampled(step, f"I am the answer of step {step}.")
        if step == 5 and step > after:
            yield Saved(step=5, path=run.out / "checkpoint-5", is_final=False, seconds=0.5)
    if until == 10:
        yield PhaseStarted(phase="result")
        yield Saved(step=10, path=run.out, is_final=True, seconds=1.0)
        yield Finished(step=10, out=run.out, seconds=30.0, proof=0.0)


def with_intervals(events: Iterator[Event], run: TrainConfig) -> Iterator[Event | Interval]:
    """As whoever watches is told them."""
    intervals: Intervals | None = None
    for event in events:
        yield event
        if isinstance(event, Started):
            intervals = Intervals(run, SHAPE, event)
        elif isinstance(event, Stepped) and intervals and (interval := intervals.add(event)):
            yield interval
