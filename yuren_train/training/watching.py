# SPDX-License-Identifier: Apache-2.0
"""All that is seen of a run, as the one listener that a recipe is given.

    config.yaml   what the run was told, written once it has begun
    metrics       metrics.jsonl
    report        report.md with its curves, at the end whatever that is but a second Ctrl+C
    trackers      TensorBoard, and what `report_to` names
    view          on stderr: drawn in place in a terminal, lines elsewhere

Rank 0 alone watches. The files are written in a directory that is the run's own: after `Started`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_core.paths import atomic_write
from yuren_train.config import TrainConfig
from yuren_train.config.settling import Settled
from yuren_train.training.events import Event, Listener, Started, Stepped, Warned
from yuren_train.training.intervals import Interval, Intervals
from yuren_train.training.live_view import LiveView
from yuren_train.training.metrics import MetricsFile, Record, before
from yuren_train.training.plain_view import PlainView
from yuren_train.training.report import write_report
from yuren_train.training.trackers import Trackers, check_trackers

CONFIG_FILE = "config.yaml"


class Watcher(Protocol):
    """Told each event and each interval, in order; quick."""

    def __call__(self, told: Event | Interval) -> None: ...


class View(Watcher, Protocol):
    """Shows a run to a person."""

    def remember(self, records: Iterable[Record]) -> None: ...

    def close(self) -> None: ...


@contextmanager
def watching(settled: Settled) -> Iterator[Listener]:
    """Watch a run from before its model is loaded to its end, whatever that is.

    Args:
        settled: what the run was told.

    Yields:
        What the recipe tells its events.

    Raises:
        StorageError: the run's directory cannot be written.
        UsageError: a tracker that `report_to` names cannot be used.
    """
    metrics = MetricsFile(settled.config.out)
    check_trackers(settled.config.report_to)
    view = _view(settled.config)
    trackers = Trackers(settled.config, lambda message: view(Warned(message=message)))
    is_hurried = False
    try:
        yield _listener(settled, view, metrics, trackers)
    except BaseException as error:
        metrics.fail(type(error).__name__, str(error))
        is_hurried = isinstance(error, KeyboardInterrupt)  # a second Ctrl+C ends at once
        raise
    finally:
        if metrics.has_begun and not is_hurried:
            _report(settled, view)
        view.close()
        trackers.close()
        metrics.close()


def _listener(settled: Settled, view: View, *watchers: Watcher) -> Listener:
    intervals: Intervals | None = None

    def listen(event: Event) -> None:
        nonlocal intervals
        told: list[Event | Interval] = [event]
        if isinstance(event, Started):
            atomic_write(settled.config.out / CONFIG_FILE, settled.text())
            intervals = Intervals(settled.config, settled.shape, event)
            view.remember(before(settled.config.out, event.step))
        elif isinstance(event, Stepped) and intervals is not None:
            told += filter(None, [intervals.add(event)])
        for one in told:
            for watcher in (*watchers, view):
                watcher(one)

    return listen


def _report(settled: Settled, view: View) -> None:
    """A page that cannot be written is no reason to call a finished run failed."""
    try:
        write_report(settled)
    except YurenError as error:
        view(Warned(message=tr("watch.no_report", reason=error.message)))


def _view(config: TrainConfig) -> View:
    """A picture where there is a terminal that can show one; lines elsewhere."""
    console = Console(stderr=True)
    is_unicode = console.encoding.lower().startswith("utf")
    if sys.stderr.isatty() and is_unicode and not console.is_dumb_terminal:
        return LiveView(config, console)
    return PlainView(_writer(console))


def _writer(console: Console) -> Callable[[str], None]:
    def write(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    return write
