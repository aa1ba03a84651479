# SPDX-License-Identifier: Apache-2.0
"""How far a run is: what a view draws from, brought up to date by events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, field

from yuren_core.i18n import tr
from yuren_train.training.curve import Losses
from yuren_train.training.events import (
    DataRead,
    Evaluated,
    EvaluationStarted,
    Event,
    Finished,
    PhaseStarted,
    PicturesSeen,
    Sampled,
    Saved,
    Started,
    Stepped,
    StopAsked,
    Warned,
)
from yuren_train.training.intervals import Interval
from yuren_train.training.metrics import Record
from yuren_train.training.time_left import TimeLeft


@dataclass(slots=True)
class Progress:
    """The newest of everything.

    Attributes:
        clock: seconds of a clock that only goes forward.
        doing: what the run is at, in words.
        since: when it began that.
        done_share: of what it is doing, 0 to 1, where that is known.
        started: of the run; None before.
        began: when that was.
        step: optimizer steps done.
        interval: the newest.
        losses: all so far, those before a restart included.
        first_eval: the first evaluation of this run.
        last_eval: its newest.
        sampled: the newest answer.
        saved: the newest checkpoint.
        finished: the end, once it has come.
        stopping: how the run stops, in words; empty where it was not told to.
    """

    clock: Callable[[], float] = time.monotonic
    doing: str = ""
    since: float = 0.0
    done_share: float | None = None
    started: Started | None = None
    began: float = 0.0
    step: int = 0
    interval: Interval | None = None
    losses: Losses = field(default_factory=Losses)
    first_eval: float | None = None
    last_eval: Evaluated | None = None
    sampled: Sampled | None = None
    saved: Saved | None = None
    finished: Finished | None = None
    stopping: str = ""
    left: TimeLeft = field(init=False)

    def __post_init__(self) -> None:
        self.left = TimeLeft(self.clock)

    def update(self, told: Event | Interval) -> None:
        """Take in what is told."""
        self.left(told)
        match told:
            case PhaseStarted():
                self._begin(tr(f"watch.phase_{told.phase}"))
            case DataRead():
                self.done_share = told.done_bytes / max(told.total_bytes, 1)
            case PicturesSeen():
                self.done_share = told.done / max(told.total, 1)
            case Started():
                self.started, self.step, self.began = told, told.step, self.clock()
                self._begin(tr("watch.training"))
            case Stepped():
                self.step = told.step
            case Interval():
                self.interval = told
                self.losses.add(told.step, told.loss)
                self._train()
            case EvaluationStarted():
                self._begin(tr("watch.evaluating", step=told.step))
            case Evaluated():
                self._evaluate(told)
            case Sampled():
                self.sampled = told
            case Saved():
                self.saved = told
                self._train()
            case Finished():
                self.finished = told
                self.doing = ""
            case StopAsked():
                self.stopping = tr(f"watch.stopping_{told.doing}")
                self._begin(self.stopping)
            case Warned():
                pass

    def snapshot(self) -> Progress:
        """As it is now: what a thread may draw while the run goes on."""
        now = copy(self)
        now.losses = copy(self.losses)
        now.losses.points = self.losses.points.copy()
        now.losses.evaluated = self.losses.evaluated.copy()
        return now

    def remember(self, records: Iterable[Record]) -> None:
        """Take in what metrics.jsonl has of the steps before a restart."""
        for record in records:
            if record["event"] == "step" and record.get("loss") is not None:
                self.losses.add(record["step"], record["loss"])
            elif record["event"] == "eval" and record.get("loss") is not None:
                self.losses.evaluated.append((record["step"], record["loss"]))
                if self.first_eval is None:
                    self.first_eval = record["loss"]

    def _evaluate(self, evaluated: Evaluated) -> None:
        self.last_eval = evaluated
        self.losses.evaluated.append((evaluated.step, evaluated.loss))
        if self.first_eval is None:
            self.first_eval = evaluated.loss

    def _train(self) -> None:
        doing = self.stopping or tr("watch.training")
        if self.doing != doing:
            self._begin(doing)

    def _begin(self, doing: str) -> None:
        self.doing, self.since, self.done_share = doing, self.clock(), None
