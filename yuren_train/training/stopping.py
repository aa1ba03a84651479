# SPDX-License-Identifier: Apache-2.0
"""A run that is asked to stop ends its step, saves, and leaves with a code of its own.

SIGTERM is what schedulers send before they kill, SIGINT is Ctrl+C. The first is told to the person
at once and obeyed at the end of the step, at the next batch of an evaluation or at the next token
of an answer, by all ranks at the same one; a second Ctrl+C ends the process at once, as Python
does by default.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_train.training.events import Doing

STOPPED_EXIT_CODE = 75
"""What a run exits with that was told to stop and can be resumed: EX_TEMPFAIL of sysexits.h."""


class StoppedError(YurenError):
    """The run was told to stop; it has saved, and the same command resumes it."""

    default_exit_code = STOPPED_EXIT_CODE


class StopRequest:
    """Whether this process has been asked to stop.

    Args:
        tell: called once it has been, with what the run is at, in a thread: what a signal
            interrupts may hold any lock.

    Attributes:
        is_made: whether it has been.
        doing: what the run is at, and so how it will stop.
    """

    def __init__(self, tell: Callable[[Doing], None]) -> None:
        self.is_made = False
        self.doing: Doing = "step"
        self._tell = tell

    def make(self, _number: int, _frame: FrameType | None) -> None:
        """The signal handler."""
        if not self.is_made:
            told = threading.Thread(target=self._tell, args=(self.doing,), name="stop", daemon=True)
            told.start()
        self.is_made = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def hearing_stop_requests(tell: Callable[[Doing], None]) -> Iterator[StopRequest]:
    """Within it, SIGTERM and SIGINT set the request that is yielded.

    Args:
        tell: called as soon as one is heard, with what the run is at, in a thread of its own.
    """
    request = StopRequest(tell)
    if threading.current_thread() is not threading.main_thread():  # signals go to the main one
        yield request
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, request.make) for number in numbers]
    try:
        yield request
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def stopped(step: int, checkpoint: Path) -> StoppedError:
    """The error of a run that has saved and leaves; at step 0 there was nothing to save."""
    if not step:
        return StoppedError(
            tr("error.training.stopped_before"), tr("error.training.stopped_before_hint")
        )
    return StoppedError(
        tr("error.training.stopped", step=step, path=checkpoint),
        tr("error.training.stopped_hint"),
    )
