# SPDX-License-Identifier: Apache-2.0
"""What became of a run, read from its directory alone: for tables, plots and the report."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_train.training.metrics import METRICS, Record, read_metrics

State = Literal["running", "finished", "stopped", "failed", "interrupted"]
"""`stopped` was asked to and can go on; `interrupted` was killed, and can go on too."""


@dataclass(slots=True)
class History:
    """A run, from metrics.jsonl.

    Attributes:
        path: the run's directory.
        started: the newest start.
        steps: one record an interval, in order.
        evals: evaluations, in order.
        samples: answers, in order.
        warnings: in order.
        ended: how it was finished or failed; None where neither is written down.
        updated: when the last record was written, in seconds since 1970.
    """

    path: Path
    started: Record
    steps: list[Record] = field(default_factory=list)
    evals: list[Record] = field(default_factory=list)
    samples: list[Record] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    ended: Record | None = None
    updated: float = 0.0

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return int(self.steps[-1]["step"]) if self.steps else int(self.started["step"])

    @property
    def state(self) -> State:
        """How it stands now, as far as this machine can know."""
        if self.ended is not None:
            if self.ended["event"] == "finished":
                return "finished"
            return "stopped" if self.ended.get("kind") == "StoppedError" else "failed"
        return "running" if self._may_be_alive() else "interrupted"

    def losses(self) -> tuple[list[int], list[float]]:
        """Steps and losses of training."""
        return _column(self.steps, "loss")

    def eval_losses(self) -> tuple[list[int], list[float]]:
        """Steps and losses of evaluations."""
        return _column(self.evals, "loss")

    def learning_rates(self) -> tuple[list[int], list[float]]:
        """Steps and learning rates."""
        return _column(self.steps, "lr")

    def _may_be_alive(self) -> bool:
        if self.started.get("host") != socket.gethostname():
            return time.time() - self.updated < 3600
        try:
            os.kill(int(self.started["pid"]), 0)
        except (OSError, ValueError, KeyError):
            return False
        return True


def read_history(path: Path) -> History:
    """The run in a directory.

    Raises:
        UsageError: there is none, or it has not begun.
    """
    history = _read(path)
    if history is None:
        raise UsageError(tr("error.run.absent", path=path), tr("error.run.absent_hint"))
    return history


def find_histories(directory: Path) -> Iterator[History]:
    """The runs in a directory and below it, by name; and the directory itself if it is one."""
    for file in sorted({directory / METRICS, *directory.rglob(METRICS)}):
        if (history := _read(file.parent)) is not None:
            yield history


def _read(path: Path) -> History | None:
    history: History | None = None
    for record in read_metrics(path):
        kind = record["event"]
        if kind == "started":
            if history is None:
                history = History(path, record)
            history.started, history.ended = record, None
        if history is None:
            continue
        history.updated = record.get("time") or history.updated
        match kind:
            case "step":
                history.steps.append(record)
            case "eval":
                history.evals.append(record)
            case "sample":
                history.samples.append(record)
            case "warning":
                history.warnings.append(str(record.get("message", "")))
            case "finished" | "failed":
                history.ended = record
            case _:
                pass
    return history


def _column(records: list[Record], name: str) -> tuple[list[int], list[float]]:
    pairs = [(record["step"], record[name]) for record in records if record.get(name) is not None]
    return [step for step, _ in pairs], [value for _, value in pairs]
