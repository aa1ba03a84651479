# SPDX-License-Identifier: Apache-2.0
"""A run in lines, for logs, pipes and screen readers: nothing moves, nothing is drawn over."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from yuren_core.i18n import tr
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
from yuren_train.training.metrics import METRICS, Record
from yuren_train.training.quantities import brief, clock, duration, gib
from yuren_train.training.report import REPORT
from yuren_train.training.time_left import TimeLeft

_ANSWER_LINES, _ANSWER_CHARACTERS = 6, 600


class PlainView:
    """Prints a line for each thing that happens.

    Args:
        write: takes each line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._left = TimeLeft()

    def __call__(self, told: Event | Interval) -> None:
        """Print what is told."""
        self._left(told)
        if line := self._line(told):
            self._write(line)

    def remember(self, records: Iterable[Record]) -> None:
        """Lines have no past."""

    def close(self) -> None:
        """There is nothing to leave in order."""

    def _line(self, told: Event | Interval) -> str:
        match told:
            case PhaseStarted():
                return tr(f"watch.phase_{told.phase}")
            case Started():
                return started_line(told)
            case Interval():
                return self._step_line(told)
            case EvaluationStarted():
                return tr("watch.evaluating", step=told.step)
            case Evaluated():
                return tr("watch.evaluated", step=told.step, loss=f"{told.loss:.4f}")
            case Sampled():
                answer = folded(told.answer)
                return tr("watch.sampled", prompt=one_line(told.prompt), answer=answer)
            case Saved():
                return tr("watch.saved", path=told.path, seconds=duration(told.seconds))
            case StopAsked():
                return tr(f"watch.stopping_{told.doing}")
            case Warned():
                return tr("watch.warned", message=told.message)
            case Finished():
                return finished_line(told)
            case Stepped() | DataRead() | PicturesSeen():
                return ""

    def _step_line(self, interval: Interval) -> str:
        parts = [
            tr("watch.step", step=interval.step, total=interval.total_steps),
            tr("watch.loss", loss=f"{interval.loss:.4f}"),
            tr("watch.lr", lr=f"{interval.lr:.2e}"),
            tr("watch.tokens_per_second", count=brief(interval.tokens_per_second)),
            gib(interval.memory_bytes),
        ]
        if interval.mfu is not None:
            parts.append(f"MFU {interval.mfu:.1%}")
        if (left := self._left.seconds()) is not None:
            parts.append(tr("watch.left", time=clock(left)))
        return "  ".join(parts)


def started_line(started: Started) -> str:
    """What is about to be trained, on what."""
    key = "watch.resumed" if started.step else "watch.started"
    return tr(
        key,
        done=started.step,
        total=started.total_steps,
        rows=f"{started.rows:,}",
        tokens=brief(started.tokens),
        trainable=brief(started.trainable_parameters),
        parameters=brief(started.parameters),
        world=started.world,
        device=started.device_name or started.device,
    )


def finished_line(finished: Finished) -> str:
    """Where the model is, and what to do with it."""
    key = "watch.finished" if finished.seconds else "watch.finished_before"
    report = finished.out / REPORT
    return tr(key, out=finished.out, time=clock(finished.seconds), report=report)


def folded(answer: str) -> str:
    """An answer of a few lines at most, with a word on where the rest is: some never end."""
    lines = answer.splitlines()
    shown = "\n".join(lines[:_ANSWER_LINES])[:_ANSWER_CHARACTERS]
    if len(shown) == len("\n".join(lines)):
        return answer
    return f"{shown.rstrip()}\n{tr('watch.folded', count=f'{len(answer):,}', file=METRICS)}"


def one_line(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())
