# SPDX-License-Identifier: Apache-2.0
"""metrics.jsonl: what is written, and what is cut away again."""

from __future__ import annotations

import json
from pathlib import Path

from tests.train.training.run_events import config, sampled, stepped, whole_run, with_intervals
from yuren_train.training.events import PhaseStarted, Warned
from yuren_train.training.metrics import METRICS, MetricsFile, read_metrics


def write(out: Path, *, after: int = 0, until: int = 10) -> None:
    run = config(out)
    metrics = MetricsFile(out)
    for told in with_intervals(whole_run(run, after=after, until=until), run):
        metrics(told)
    metrics.close()


def steps(out: Path, event: str = "step") -> list[int]:
    return [record["step"] for record in read_metrics(out) if record["event"] == event]


def test_a_run_is_written_down_in_order(tmp_path: Path) -> None:
    write(tmp_path)
    records = list(read_metrics(tmp_path))
    assert records[0]["event"] == "started"
    assert records[0]["method"] == "full"
    assert records[-1]["event"] == "finished"
    assert steps(tmp_path) == list(range(1, 11))
    assert steps(tmp_path, "eval") == [0, 5, 10]
    assert all(record["time"] > 0 for record in records)
    third = next(record for record in records if record["event"] == "step" and record["step"] == 3)
    assert third["loss"] == 4.25
    assert third["tokens_per_second"] == 200


def test_each_line_is_there_before_the_next_event(tmp_path: Path) -> None:
    run = config(tmp_path)
    metrics = MetricsFile(tmp_path)
    for told in with_intervals(whole_run(run, until=3), run):
        metrics(told)
    assert steps(tmp_path) == [1, 2, 3]
    metrics.close()


def test_a_run_that_goes_on_has_each_step_once(tmp_path: Path) -> None:
    write(tmp_path, until=8)
    with (tmp_path / METRICS).open("a", encoding="utf-8") as file:
        file.write('{"event": "step", "step": 9, "lo')  # killed while it wrote
    write(tmp_path, after=5)
    assert steps(tmp_path) == list(range(1, 11))
    assert steps(tmp_path, "eval") == [0, 5, 10]
    assert steps(tmp_path, "started") == [0, 5]
    assert all(json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines())


def test_a_run_that_begins_anew_keeps_nothing(tmp_path: Path) -> None:
    write(tmp_path, until=4)
    write(tmp_path, until=2)
    assert steps(tmp_path) == [1, 2]
    assert steps(tmp_path, "eval") == [0]


def test_nothing_is_written_before_the_run_has_begun(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / "out")
    metrics(PhaseStarted(phase="model"))
    metrics(Warned(message="three rows are left out"))
    metrics.fail("DataError", "there is nothing to learn")
    metrics.close()
    assert not (tmp_path / "out").exists()


def test_what_was_told_before_the_run_began_is_written_then(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path)
    metrics(Warned(message="three rows are left out"))
    run = config(tmp_path)
    for told in with_intervals(whole_run(run, until=1), run):
        metrics(told)
    metrics.close()
    assert any(record.get("message") for record in read_metrics(tmp_path))


def test_a_failure_has_its_step_and_reason(tmp_path: Path) -> None:
    run = config(tmp_path)
    metrics = MetricsFile(tmp_path)
    for told in with_intervals(whole_run(run, until=3), run):
        metrics(told)
    metrics.fail("DivergedError", "the loss is nan")
    metrics.close()
    *_, last = read_metrics(tmp_path)
    assert (last["event"], last["step"], last["message"]) == ("failed", 3, "the loss is nan")


def test_numbers_that_are_none_and_words_that_are_no_unicode_stay_json(tmp_path: Path) -> None:
    run = config(tmp_path)
    metrics = MetricsFile(tmp_path)
    for told in whole_run(run, until=0):
        metrics(told)
    metrics(sampled(0, "a lone \ud800 half, 羽人"))
    for told in with_intervals(iter([stepped(1, loss=float("nan"))]), run):
        metrics(told)
    metrics.close()
    text = (tmp_path / METRICS).read_text(encoding="utf-8")
    assert "羽人" in text
    assert "NaN" not in text
    answers = [record["answer"] for record in read_metrics(tmp_path) if "answer" in record]
    assert answers[-1] == "a lone \ud800 half, 羽人"
