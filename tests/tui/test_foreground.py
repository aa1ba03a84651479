# SPDX-License-Identifier: Apache-2.0
"""Signals to end reach a command whatever it does, and are noticed once."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from yuren_tui.foreground import Foreground


@contextmanager
def sent_soon(send: Callable[[], None]) -> Iterator[None]:
    """SIGTERM, sent while the body waits."""
    threading.Timer(0.3, send).start()
    yield


def send() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def send_unnoticed() -> None:
    """As a signal in the instant before a wait: Python knows of it, and the wait goes on.

    Another thread takes it, so that it interrupts nothing.
    """
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)


def test_a_signal_before_a_wait_of_c_code_ends_it() -> None:
    reading, writing = os.pipe()
    begun = time.monotonic()
    with pytest.raises(SystemExit) as ended, Foreground(), sent_soon(send_unnoticed):
        select.select([reading], [], [], 60)
    assert ended.value.code == 128 + signal.SIGTERM
    assert time.monotonic() - begun < 30
    os.close(reading)
    os.close(writing)


def test_a_signal_cancels_what_runs() -> None:
    with pytest.raises(SystemExit) as ended, Foreground() as foreground, sent_soon(send):
        foreground.run(asyncio.sleep(8))
    assert ended.value.code == 128 + signal.SIGTERM


def test_signals_mean_afterwards_what_they_meant_before() -> None:
    threads, before = threading.active_count(), signal.getsignal(signal.SIGTERM)
    with Foreground() as foreground:
        assert signal.getsignal(signal.SIGTERM) != before
        foreground.run(asyncio.sleep(0))
    assert signal.getsignal(signal.SIGTERM) == before
    assert threading.active_count() == threads
