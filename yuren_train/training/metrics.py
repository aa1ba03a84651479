# SPDX-License-Identifier: Apache-2.0
"""`OUT/metrics.jsonl`: what happened in a run, one JSON object a line, in order.

Each has `event`, `time` (seconds since 1970) and `step`. The file belongs to the weights: a run
that goes on at step N leaves out what was written behind N, so that each step stands there once.
A line is on its way to the disk before the next event; a line cut off by a kill is passed over.
"""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, TypeAlias

from yuren_core.paths import atomic_write, storing
from yuren_train.training.events import (
    Evaluated,
    Event,
    Finished,
    Sampled,
    Saved,
    Started,
    Stepped,
    Warned,
)
from yuren_train.training.intervals import Interval

METRICS = "metrics.jsonl"

Record: TypeAlias = dict[str, Any]

_NAMES: Mapping[type, str] = {
    Evaluated: "eval",
    Sampled: "sample",
    Saved: "saved",
    Warned: "warning",
    Finished: "finished",
}


class MetricsFile:
    """Writes the file; nothing before `Started`, since the directory is not ours until then.

    Args:
        out: the run's directory.
    """

    def __init__(self, out: Path) -> None:
        self._path = out / METRICS
        self._file: IO[str] | None = None
        self._early: list[Record] = []
        self._step = 0

    def __call__(self, told: Event | Interval) -> None:
        """Write down what is told, if the file has it."""
        if isinstance(told, Started):
            self._step = told.step
            self._begin(told.step)
        elif isinstance(told, Stepped):
            self._step = told.step
        if (record := record_of(told)) is not None:
            self._write(record)

    @property
    def has_begun(self) -> bool:
        """Whether the run has, and the file is there."""
        return self._file is not None

    def fail(self, kind: str, message: str) -> None:
        """The run ends without being finished."""
        if self._file is not None:
            self._write({"event": "failed", "kind": kind, "message": message})

    def close(self) -> None:
        """Nothing is written after that."""
        if self._file is not None:
            self._file.close()

    def _begin(self, step: int) -> None:
        lines = "".join(map(_line, before(self._path.parent, step)))
        atomic_write(self._path, lines)
        with storing(self._path):
            self._file = self._path.open("a", encoding="utf-8")
        early, self._early = self._early, []
        for record in early:
            self._write(record)

    def _write(self, record: Record) -> None:
        if self._file is None:
            self._early.append(record)
            return
        stamped = {"time": round(time.time(), 3), "step": self._step, **record}
        with storing(self._path):
            self._file.write(_line(stamped))
            self._file.flush()


def read_metrics(out: Path) -> Iterator[Record]:
    """What a run has written so far; a line that is not whole is passed over."""
    try:
        text = (out / METRICS).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and {"event", "step"} <= record.keys():
            yield record


def before(out: Path, step: int) -> Iterator[Record]:
    """What still holds for a run that goes on behind `step`; nothing for one that begins anew."""
    return (record for record in read_metrics(out) if step and record["step"] <= step)


def record_of(told: Event | Interval) -> Record | None:
    """What is written of an event; None for what is not."""
    match told:
        case Started():
            values = {name: getattr(told, name) for name in _fields(told) if name != "config"}
            run = {name: getattr(told.config, name) for name in ("stage", "method", "model")}
            process = {"host": socket.gethostname(), "pid": os.getpid()}
            return {"event": "started", **values, **run, **process}
        case Interval():
            return {"event": "step", **step_values(told)}
        case Evaluated() | Sampled() | Saved() | Warned() | Finished():
            return {"event": _NAMES[type(told)]} | {
                name: str(value) if isinstance(value := getattr(told, name), Path) else value
                for name in _fields(told)
            }
        case _:
            return None


def step_values(interval: Interval) -> dict[str, float | int | None]:
    """The numbers of an interval by their names in files and trackers."""
    return {
        "step": interval.step,
        "epoch": interval.epoch,
        "loss": interval.loss,
        "lr": interval.lr,
        "grad_norm": interval.grad_norm,
        "samples": interval.samples,
        "tokens": interval.tokens,
        "label_tokens": interval.label_tokens,
        "seconds": interval.seconds,
        "data_seconds": interval.data_seconds,
        "tokens_per_second": interval.tokens_per_second,
        "samples_per_second": interval.samples_per_second,
        "memory_bytes": interval.memory_bytes,
        "mfu": interval.mfu,
    }


def _fields(told: Event) -> list[str]:
    return [field.name for field in fields(told)]


def _line(record: Record) -> str:
    plain = {key: _finite(value) for key, value in record.items()}
    text = json.dumps(plain, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode() + "\n"  # a lone surrogate: escaped


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
