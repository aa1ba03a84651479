# SPDX-License-Identifier: Apache-2.0
"""A real run, watched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.train.tiny_run import tiny_config, write_rows
from tests.train.training.run_events import whole_run
from yuren_core.errors import UsageError
from yuren_train.config.model_shape import ModelShape
from yuren_train.config.settling import NAMES, Settled
from yuren_train.config.yaml_file import read_yaml
from yuren_train.recipes.stage1_text import train
from yuren_train.training.history import read_history
from yuren_train.training.watching import watching


@pytest.fixture
def settled(text_model: Path, tmp_path: Path) -> Settled:
    config = tiny_config(
        text_model,
        write_rows(tmp_path / "rows.jsonl"),
        tmp_path / "out",
        max_steps=4,
        eval_split=0.2,
        eval_interval=2,
        sample_prompts=("Say hello",),
    )
    return Settled(config, {"lr": "command line"}, ModelShape.of(text_model))


def test_a_run_leaves_config_metrics_tensorboard_and_report(
    settled: Settled, capsys: pytest.CaptureFixture[str]
) -> None:
    out = settled.config.out
    with watching(settled) as listener:
        train(settled.config, on_event=listener)
    assert read_yaml(out / "config.yaml", NAMES)["lr"].value == 1e-3
    assert read_history(out).state == "finished"
    assert read_history(out).losses()[0] == [1, 2, 3, 4]
    assert list((out / "tensorboard").iterdir())
    assert "Finished" in (out / "report.md").read_text()
    said = capsys.readouterr()
    assert said.out == ""
    assert "step 4/4" in said.err
    assert "\x1b" not in said.err


def test_a_run_that_is_finished_already_is_left_as_it_is(
    settled: Settled, capsys: pytest.CaptureFixture[str]
) -> None:
    with watching(settled) as listener:
        train(settled.config, on_event=listener)
    before = (settled.config.out / "metrics.jsonl").read_bytes()
    with watching(settled) as listener:
        train(settled.config, on_event=listener)
    assert (settled.config.out / "metrics.jsonl").read_bytes() == before
    assert "finished already" in capsys.readouterr().err


def test_a_failure_passes_through_and_is_written_down(settled: Settled) -> None:
    def fail() -> None:
        with watching(settled) as listener:
            for event in whole_run(settled.config, until=3):
                listener(event)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    history = read_history(settled.config.out)
    assert (history.state, history.step) == ("failed", 3)
    assert "Failed after step 3" in (settled.config.out / "report.md").read_text()


def test_a_second_interrupt_ends_at_once_without_a_report(settled: Settled) -> None:
    def end() -> None:
        with watching(settled) as listener:
            for event in whole_run(settled.config, until=3):
                listener(event)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        end()
    assert read_history(settled.config.out).step == 3
    assert not (settled.config.out / "report.md").exists()


def test_a_tracker_that_cannot_be_used_is_refused_before_anything(
    settled: Settled,
) -> None:
    config = replace(settled.config, report_to=("nowhere",))
    with pytest.raises(UsageError, match="nowhere"), watching(replace(settled, config=config)):
        pytest.fail("it began")
