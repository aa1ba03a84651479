# SPDX-License-Identifier: Apache-2.0
"""What is told to stop says so at once, and a second time it obeys at once."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from yuren_train.training.stopping import hearing_stop_requests


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_told_while_the_step_goes_on(number: signal.Signals) -> None:
    told = threading.Event()
    before = signal.getsignal(number)
    with hearing_stop_requests(lambda _: told.set()) as request:
        assert not request.is_made
        os.kill(os.getpid(), number)
        assert told.wait(5)
        assert request.is_made
    assert signal.getsignal(number) is before


def test_it_is_told_once_and_a_second_interrupt_ends_at_once() -> None:
    told: list[str] = []
    with hearing_stop_requests(told.append) as request:
        request.doing = "evaluation"
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    for thread in threading.enumerate():
        if thread.name == "stop":
            thread.join(5)
    assert told == ["evaluation"]
