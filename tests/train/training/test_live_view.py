# SPDX-License-Identifier: Apache-2.0
"""The live view on a terminal."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from tests.train.training.run_events import config, stepped, whole_run, with_intervals
from yuren_train.training.events import Warned
from yuren_train.training.live_view import LiveView


def terminal() -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(file=written, width=80, height=24, force_terminal=True), written


def test_it_leaves_the_last_picture_and_says_what_is_next() -> None:
    console, written = terminal()
    run = config()
    view = LiveView(run, console)
    for told in with_intervals(whole_run(run), run):
        view(told)
    view.close()
    *_, end = written.getvalue().split("10/10")
    assert "yuren-chat --model runs/tiny" in end
    assert written.getvalue().endswith("\n")
    assert "\x1b[?25h" in written.getvalue()  # the cursor is back


def test_warnings_stay_above_and_are_no_markup() -> None:
    console, written = terminal()
    view = LiveView(config(), console)
    view(Warned(message="[b]three[/b] rows \x1b[2Jare left out"))
    view.close()
    assert "Note: [b]three[/b] rows [2Jare left out" in written.getvalue()


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console, written = terminal()
    run = config()
    view = LiveView(run, console)
    for told in with_intervals(whole_run(run, until=5), run):
        view(told)
    view.close()
    assert "\x1b[36m" not in written.getvalue()
    assert "\x1b[1;33m" not in written.getvalue()


def test_an_event_does_not_wait_for_the_terminal() -> None:
    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            time.sleep(0.05)
            return super().write(text)

    run = config()
    view = LiveView(run, Console(file=Slow(), width=80, height=24, force_terminal=True))
    for told in with_intervals(whole_run(run, until=1), run):
        view(told)
    began = time.process_time(), time.perf_counter()
    for step in range(2, 202):
        view(stepped(step))
    wall = time.perf_counter() - began[1]
    view.close()
    assert wall < 5.0  # drawn two hundred times it would be ten seconds
