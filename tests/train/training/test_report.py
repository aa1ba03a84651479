# SPDX-License-Identifier: Apache-2.0
"""The page about a run, and its picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.train.training.run_events import settled
from tests.train.training.test_history import write_run
from yuren_core.i18n import use_language
from yuren_train.training.figures import draw_runs, names
from yuren_train.training.history import read_history
from yuren_train.training.metrics import METRICS
from yuren_train.training.report import CURVES, write_report


def page(out: Path, until: int = 10, failure: tuple[str, str] | None = None) -> str:
    write_run(out, until=until, failure=failure)
    return write_report(settled(out)).read_text(encoding="utf-8")


def test_a_finished_run_has_everything(tmp_path: Path) -> None:
    text = page(tmp_path / "first")
    for words in (
        "# first",
        "Finished",
        "| Eval loss, before and after | 5.5000 → 3.5000 (-2.0000) |",
        "| Training loss, first and last | 4.7500 → 2.5000 |",
        "| Tokens read | 4,000 (200/s) |",
        "![Loss and learning rate by step](report/curves.png)",
        "After step 0:\n\n```\nI am the answer of step 0.\n```",
        "After step 10:\n\n```\nI am the answer of step 10.\n```",
        "| Rows | 40 |",
        "| torch | ",
        "lr: 2.0e-05  # command line",
    ):
        assert words in text
    assert "step 5." not in text  # the first answer and the last
    with Image.open(tmp_path / "first" / CURVES) as image:
        assert image.format == "PNG"
        assert image.width > 600


def test_a_run_that_failed_says_where_and_why(tmp_path: Path) -> None:
    text = page(tmp_path, until=7, failure=("DivergedError", "the loss of step 8 is nan"))
    assert "Failed after step 7 of 10" in text
    assert "the loss of step 8 is nan" in text
    assert "report/curves.png" in text


def test_a_run_without_a_step_has_no_picture(tmp_path: Path) -> None:
    text = page(tmp_path, until=0, failure=("OutOfMemoryError", "too little"))
    assert "curves.png" not in text
    assert not (tmp_path / CURVES).exists()


def test_an_answer_cannot_close_its_fence(tmp_path: Path) -> None:
    write_run(tmp_path)
    file = tmp_path / METRICS
    file.write_text(file.read_text().replace("answer of step 10", "````\\n# heading"))
    text = write_report(settled(tmp_path)).read_text(encoding="utf-8")
    assert "`````\nI am the ````\n# heading.\n`````" in text


def test_it_speaks_chinese(tmp_path: Path) -> None:
    use_language("zh")
    text = page(tmp_path)
    assert "| 评估损失（训练前 → 训练后） | 5.5000 → 3.5000 (-2.0000) |" in text


def test_several_runs_are_told_apart_by_as_little_as_it_takes(tmp_path: Path) -> None:
    for name in ("a/run", "b/run", "b/other"):
        write_run(tmp_path / name, until=2)
    histories = [read_history(tmp_path / name) for name in ("a/run", "b/run", "b/other")]
    assert names(histories) == ["a/run", "b/run", "b/other"]
    assert names(histories[1:]) == ["run", "other"]


@pytest.mark.parametrize("count", [1, 3])
def test_curves_differ_from_an_empty_picture(tmp_path: Path, count: int) -> None:
    for number in range(count):
        write_run(tmp_path / str(number), until=10 - number)
    draw_runs([read_history(tmp_path / str(number)) for number in range(count)], tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24) or []}
    wanted = [(0x1F, 0x77, 0xB4), (0xFF, 0x7F, 0x0E), (0x2C, 0xA0, 0x2C)][:count]
    assert set(wanted) <= colours
