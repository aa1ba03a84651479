# SPDX-License-Identifier: Apache-2.0
"""A run as its directory tells it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.train.training.run_events import config, whole_run, with_intervals
from yuren_core.errors import UsageError
from yuren_train.training.history import find_histories, read_history
from yuren_train.training.metrics import METRICS, MetricsFile


def write_run(
    out: Path, *, after: int = 0, until: int = 10, failure: tuple[str, str] | None = None
) -> None:
    run = config(out)
    metrics = MetricsFile(out)
    for told in with_intervals(whole_run(run, after=after, until=until), run):
        metrics(told)
    if failure:
        metrics.fail(*failure)
    metrics.close()


def test_a_finished_run(tmp_path: Path) -> None:
    write_run(tmp_path)
    history = read_history(tmp_path)
    assert (history.state, history.step) == ("finished", 10)
    assert history.losses()[0] == list(range(1, 11))
    assert history.eval_losses() == ([0, 5, 10], [5.5, 4.5, 3.5])
    assert len(history.samples) == 3


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (None, "running"),
        (("DivergedError", "nan"), "failed"),
        (("StoppedError", "as told"), "stopped"),
    ],
)
def test_how_an_unfinished_run_stands(
    tmp_path: Path, failure: tuple[str, str] | None, state: str
) -> None:
    write_run(tmp_path, until=7, failure=failure)
    assert read_history(tmp_path).state == state


def test_a_run_whose_process_is_gone_is_interrupted(tmp_path: Path) -> None:
    write_run(tmp_path, until=7)
    file = tmp_path / METRICS
    gone = os.spawnlp(os.P_WAIT, "true", "true")
    assert gone == 0
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    text = file.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {child}')
    file.write_text(text)
    assert read_history(tmp_path).state == "interrupted"


def test_a_run_that_goes_on_is_no_longer_failed(tmp_path: Path) -> None:
    write_run(tmp_path, until=5, failure=("OutOfMemoryError", "too little"))
    write_run(tmp_path, after=5)
    assert read_history(tmp_path).state == "finished"


def test_runs_are_found_at_any_depth(tmp_path: Path) -> None:
    for name in ("b", "a/deep"):
        write_run(tmp_path / name, until=1)
    assert [history.path.name for history in find_histories(tmp_path)] == ["deep", "b"]


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        read_history(tmp_path)
