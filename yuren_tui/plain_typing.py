# SPDX-License-Identifier: Apache-2.0
"""What is typed while nobody reads waits unseen for the next `You: `.

A terminal echoes at once, in the middle of an answer. So its echo is off but while a line is read
or another program has the terminal, and on again whatever ends the conversation: also when it is
stopped with Ctrl+Z or killed with Ctrl+\\. Where there is no terminal, or none that can be told
(Windows), and in the background, where it is the shell's, nothing is changed.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Self

from yuren_tui.terminal.attributes import terminal_attributes

_ASKED_BACK = ("SIGTSTP", "SIGQUIT")
"""Signals that take the process from the terminal without unwinding it."""


class QuietTerminal:
    """Keeps the echo of the terminal at stdin off; a context manager that puts it back."""

    def __init__(self) -> None:
        self._had_echo = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._had_echo = _echoes()
        self._hush()
        return self

    def __exit__(self, *_: object) -> None:
        self._speak()

    @contextmanager
    def echoing(self) -> Iterator[None]:
        """Let the terminal echo: somebody reads."""
        self._speak()
        try:
            yield
        finally:
            self._hush()

    @staticmethod
    def has_line() -> bool:
        """Whether a line has been typed already, which the terminal will not show any more."""
        try:
            return bool(select.select([sys.stdin], [], [], 0)[0])
        except (OSError, ValueError):  # no terminal; Windows can ask sockets only
            return False

    def _hush(self) -> None:
        if not self._had_echo:
            return
        for name in _ASKED_BACK:
            number = getattr(signal, name)
            if signal.getsignal(number) is signal.SIG_DFL:
                self._before[number] = signal.signal(number, self._give_back)
        _set_echo(False)

    def _speak(self) -> None:
        if not self._had_echo:
            return
        _set_echo(True)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _give_back(self, number: int, _: FrameType | None) -> None:
        """Let a signal do what it does, with the terminal as it was."""
        self._speak()
        os.kill(os.getpid(), number)
        self._hush()  # stopped, and continued


def _echoes() -> bool:
    attributes = terminal_attributes()
    if attributes is None:
        return False
    import termios

    return bool(attributes[3] & termios.ECHO)


def _set_echo(is_on: bool) -> None:
    attributes = terminal_attributes()
    if attributes is None or _is_in_background():
        return
    import termios

    flags = attributes[3] | termios.ECHO if is_on else attributes[3] & ~termios.ECHO
    if flags != attributes[3]:
        attributes[3] = flags
        with suppress(termios.error, OSError, ValueError):  # the terminal has gone
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, attributes)


def _is_in_background() -> bool:
    """Whether another program has the terminal; setting it would stop this one."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp()
    except (OSError, ValueError):  # it is not this session's terminal
        return False
