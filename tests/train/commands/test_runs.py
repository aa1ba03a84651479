# SPDX-License-Identifier: Apache-2.0
"""`yuren-train runs` and `yuren-train plot`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from tests.train.training.test_history import write_run
from yuren_train.cli import main


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write_run(tmp_path / "first")
    write_run(tmp_path / "second", until=7, failure=("DivergedError", "the loss is nan"))
    return tmp_path


def test_runs_is_a_table_with_a_line_a_run(runs: Path) -> None:
    done = CliRunner().invoke(main, ["runs", str(runs)])
    assert done.exit_code == 0
    heading, first, second = done.output.splitlines()
    for name in ("Run", "Stage", "Method", "Model", "Steps", "Loss", "Eval loss", "State"):
        assert name in heading
    words = ["first", "stage1", "full", "tiny", "10/10", "2.5000", "3.5000", "finished"]
    assert first.split()[:8] == words
    assert second.split()[:8] == [
        *("second", "stage1", "full", "tiny", "7/10", "3.2500", "4.5000", "failed"),
    ]


def test_runs_speaks_chinese(runs: Path) -> None:
    done = CliRunner().invoke(main, ["--lang", "zh", "runs", str(runs)])
    assert "已完成" in done.output
    assert "失败" in done.output


def test_runs_as_json_is_a_line_a_run(runs: Path) -> None:
    done = CliRunner().invoke(main, ["runs", str(runs), "--json"])
    first, second = map(json.loads, done.output.splitlines())
    assert first["run"] == str(runs / "first")
    assert (first["loss"], first["eval_loss"], first["state"]) == (2.5, 3.5, "finished")
    assert (second["step"], second["total_steps"]) == (7, 10)


def test_no_runs_and_no_directory(tmp_path: Path) -> None:
    empty = CliRunner().invoke(main, ["runs", str(tmp_path)])
    assert (empty.exit_code, empty.stdout) == (0, "")
    absent = CliRunner().invoke(main, ["runs", str(tmp_path / "nowhere")])
    assert absent.exit_code == 2
    assert "There is no directory" in absent.stderr


def test_plot_draws_one_run_beside_its_metrics(runs: Path) -> None:
    done = CliRunner().invoke(main, ["plot", str(runs / "first")])
    assert done.exit_code == 0
    assert done.output.strip() == str(runs / "first" / "plot.png")
    with Image.open(runs / "first" / "plot.png") as image:
        assert image.format == "PNG"


def test_plot_compares_runs_where_it_is_told(runs: Path) -> None:
    out = runs / "pictures" / "both.png"
    done = CliRunner().invoke(
        main, ["plot", str(runs / "first"), str(runs / "second"), "--out", str(out)]
    )
    assert done.exit_code == 0
    assert out.is_file()


def test_plot_refuses_what_is_no_run_or_has_no_steps(runs: Path) -> None:
    write_run(runs / "begun", until=0)
    for name, words in (("nowhere", "holds no run"), ("begun", "has no steps yet")):
        done = CliRunner().invoke(main, ["plot", str(runs / name)])
        assert done.exit_code == 2
        assert words in done.output
