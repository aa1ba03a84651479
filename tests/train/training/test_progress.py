# SPDX-License-Identifier: Apache-2.0
"""What the live view shows, at any size, in both languages."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.spinner import Spinner

from tests.train.training.run_events import (
    config,
    evaluated,
    sampled,
    whole_run,
    with_intervals,
)
from yuren_core.i18n import use_language
from yuren_train.training.events import DataRead, PhaseStarted, Saved, StopAsked
from yuren_train.training.frame import draw_frame
from yuren_train.training.progress import Progress


class Clock:
    """Goes on when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def progress_at(step: int, clock: Clock | None = None) -> Progress:
    clock = clock or Clock()
    progress = Progress(clock=clock)
    run = config()
    for told in with_intervals(whole_run(run, until=step), run):
        clock.now += 0.5
        progress.update(told)
    return progress


def drawn(progress: Progress, width: int = 80, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
    frame = draw_frame(progress.snapshot(), config(), console, Spinner("dots"))
    return [
        "".join(segment.text for segment in line).rstrip()
        for line in console.render_lines(frame, pad=False)
    ]


def test_before_the_first_step_it_says_what_is_done_and_how_far() -> None:
    clock = Clock()
    progress = Progress(clock=clock)
    progress.update(PhaseStarted(phase="data"))
    progress.update(DataRead(done_bytes=1, total_bytes=4))
    clock.now += 3
    assert drawn(progress)[-1].endswith("Reading the data… 25% 0:03")


def test_everything_of_a_run_is_there() -> None:
    text = "\n".join(drawn(progress_at(7)))
    for words in (
        "stage1 · full · tiny → runs/tiny",
        "7/10",
        "left",
        "loss 3.2500",
        "eval loss 4.5000 (-1.0000)",
        "lr 1.00e-04",
        "tok/s 200",
        "samples/s 2",
        "memory 3.0 GiB",
        "saved at step 5",
        "5 > Who are you?",
        "I am the answer of step 5.",
        "┤",
    ):
        assert words in text
    assert any(0x2800 < ord(cell) < 0x2900 for cell in text)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("width", "height"), [(60, 24), (60, 8), (100, 40), (200, 60), (40, 10)])
def test_it_fits_the_terminal(language: str, width: int, height: int) -> None:
    use_language(language)
    progress = progress_at(10)
    progress.update(sampled(10, "巴黎是法国的首都，也是最大的城市。" * 20))
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
    frame = draw_frame(progress.snapshot(), config(), console, Spinner("dots"))
    lines = console.render_lines(frame, pad=False)
    assert len(lines) <= height
    for line in lines:
        assert sum(segment.cell_length for segment in line) <= width


def test_it_speaks_chinese() -> None:
    use_language("zh")
    text = "\n".join(drawn(progress_at(7)))
    for words in ("损失 3.2500", "评估损失", "学习率", "token/秒 200", "还需"):
        assert words in text


def test_an_answer_is_text_and_moves_no_cursor() -> None:
    progress = progress_at(7)
    progress.update(sampled(7, "[red]no markup[/red]\x1b[2J\x07\r over"))
    text = "\n".join(drawn(progress))
    assert "[red]no markup[/red]" in text
    assert not {"\x1b", "\x07", "\r"} & set(text)


def test_the_time_left_follows_the_pace() -> None:
    clock = Clock()
    progress = progress_at(6, clock)
    pace = progress.left.seconds()
    assert pace is not None
    clock.now += 1
    later = progress.left.seconds()
    assert later == pytest.approx(pace - 1)


def test_a_restarted_run_remembers_its_curve() -> None:
    progress = Progress(clock=Clock())
    records = [{"event": "step", "step": step, "loss": 4.0} for step in range(1, 6)]
    progress.remember([*records, {"event": "eval", "step": 0, "loss": 5.5}])
    run = config()
    for told in with_intervals(whole_run(run, after=5, until=7), run):
        progress.update(told)
    assert [step for step, _ in progress.losses.points] == [1, 2, 3, 4, 5, 6, 7]
    progress.update(evaluated(7, 5.0))
    assert "5.0000 (-0.5000)" in "\n".join(drawn(progress))


def test_what_is_told_to_stop_says_so_until_it_ends() -> None:
    progress = progress_at(6)
    progress.update(StopAsked(doing="step"))
    assert "Ctrl+C again ends at once" in drawn(progress)[-1]
    progress.update(Saved(step=6, path=Path("out/checkpoint-6"), is_final=False, seconds=1.0))
    assert "Ctrl+C again ends at once" in drawn(progress)[-1]
