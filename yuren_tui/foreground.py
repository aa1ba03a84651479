# SPDX-License-Identifier: Apache-2.0
"""An event loop for a command without a screen: it runs when there is work, and ends when told.

Between two runs no loop runs, so that a line editor can have the terminal for itself. SIGTERM,
and SIGHUP of a closed terminal, end what runs as Ctrl+C does: tasks are cancelled and what they
hold is given back; then comes `SystemExit` with the code that shells give, 128 and the signal.

A signal that comes in the instant before a line editor begins to wait would be noticed with the
next key only. So a thread hears of every signal too, and sends one to end again until it is
noticed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, Self, TypeVar

_T = TypeVar("_T")
_NOTICED_WITHIN_S = 0.2


def signals_to_end() -> list[signal.Signals]:
    """SIGTERM and SIGHUP, but for those that whoever started us has switched off (nohup)."""
    known = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]


class Foreground:
    """Runs one coroutine at a time; a context manager that has the signals meanwhile."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._task: asyncio.Task[Any] | None = None
        self._code: int | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._noticed = threading.Event()
        self._pipe = (-1, -1)
        self._listener = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._runner.__enter__()
        if hasattr(signal, "pthread_kill"):  # not on Windows
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[1], False)
            signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
            self._listener.start()
        self._before = {number: signal.signal(number, self._leave) for number in signals_to_end()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._listener.is_alive():
            signal.set_wakeup_fd(-1)
            os.close(self._pipe[1])
            self._listener.join()
            os.close(self._pipe[0])
        self._runner.close()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop, running or not."""
        return self._runner.get_loop()

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine to its end.

        Raises:
            KeyboardInterrupt: Ctrl+C; the coroutine has been cancelled.
            SystemExit: a signal to end; the coroutine has been cancelled.
        """

        async def main() -> _T:
            self._task = asyncio.current_task()
            try:
                return await coroutine
            finally:
                self._task = None

        try:
            return self._runner.run(main())
        except asyncio.CancelledError:
            if self._code is None:
                raise
            raise SystemExit(self._code) from None

    def _leave(self, number: int, _: FrameType | None) -> None:
        self._code = 128 + number
        self._noticed.set()
        if self._task is None:
            raise SystemExit(self._code)
        self.loop.call_soon_threadsafe(self._task.cancel)

    def _listen(self) -> None:
        """Send a signal to end again that the main thread has not noticed; to the pipe's end."""
        main = threading.main_thread().ident
        assert main is not None
        while heard := os.read(self._pipe[0], 1):
            if heard[0] not in self._before:
                continue
            while not self._noticed.wait(_NOTICED_WITHIN_S):
                signal.pthread_kill(main, heard[0])
