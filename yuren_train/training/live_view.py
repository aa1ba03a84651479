# SPDX-License-Identifier: Apache-2.0
"""A run in a terminal, drawn in place a few times a second by a thread of its own.

Events only change numbers, so that a step never waits for the terminal. Warnings, and whatever
else is printed, go above the picture and stay.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from yuren_core.i18n import tr
from yuren_train.config import TrainConfig
from yuren_train.training.events import Event, Finished, Warned
from yuren_train.training.frame import draw_frame, visible
from yuren_train.training.intervals import Interval
from yuren_train.training.metrics import Record
from yuren_train.training.plain_view import finished_line
from yuren_train.training.progress import Progress

_PICTURES = 3  # a second


class LiveView:
    """Draws a run.

    Args:
        config: of the run.
        console: a terminal that shows Unicode.
    """

    def __init__(self, config: TrainConfig, console: Console) -> None:
        self._config = config
        self._console = console
        self._progress = Progress()
        self._changing = threading.Lock()
        self._spinner = Spinner("dots")
        self._live = Live(
            get_renderable=self._draw,
            console=console,
            refresh_per_second=_PICTURES,
            vertical_overflow="crop",
            redirect_stdout=sys.stdout.isatty(),
        )
        self._live.start()

    def __call__(self, told: Event | Interval) -> None:
        """Take in what is told; it is drawn with the next picture."""
        if isinstance(told, Warned):
            message = tr("watch.warned", message=visible(told.message))
            self._console.print(Text(message, "yellow"))
        with self._changing:
            self._progress.update(told)

    def remember(self, records: Iterable[Record]) -> None:
        """Draw the curve from the beginning of the run, whenever that was."""
        with self._changing:
            self._progress.remember(records)

    def close(self) -> None:
        """Draw the last picture, and leave it there."""
        self._progress.doing = ""
        self._live.stop()
        if isinstance(self._progress.finished, Finished):
            line = visible(finished_line(self._progress.finished))
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _draw(self) -> RenderableType:
        with self._changing:
            progress = self._progress.snapshot()
        return draw_frame(progress, self._config, self._console, self._spinner)
