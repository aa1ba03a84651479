# SPDX-License-Identifier: Apache-2.0
"""`yuren-train estimate`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from yuren_train.cli import main


def estimate(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["estimate", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def cases(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in estimate(*arguments, "--json").splitlines()]


def test_without_a_method_there_is_a_line_for_each(text_model: Path) -> None:
    assert {case["method"] for case in cases("--parameters", "7B")} == {"full", "lora", "qlora"}
    assert {case["method"] for case in cases("--model", str(text_model))} == {
        *("full", "lora", "qlora"),
    }


def test_it_says_that_these_are_estimates_and_of_what() -> None:
    text = estimate("--parameters", "7B", "--nproc", "8")
    assert "Estimates, not measurements" in text
    assert "7.0B parameters, 8 × GPU, rows of 4096 tokens, batch of 1" in " ".join(text.split())


def test_more_gpus_and_higher_stages_take_less_of_each() -> None:
    totals = {case["zero"]: case["total"] for case in cases(*_full(8)) if not case["offload"]}
    assert totals[3] < totals[2] < totals[None]
    assert cases(*_full(16), "--zero", "3")[0]["total"] < totals[3]


def test_length_batch_and_rank_are_heard() -> None:
    (base,) = cases(*_full(8), "--zero", "3")
    (long,) = cases(*_full(8), "--zero", "3", "--max-length", "2048", "--batch-size", "8")
    assert long["device"]["activations"] == 4 * base["device"]["activations"]
    ranks = [cases("--parameters", "7B", "--method", "lora", "--lora-rank", r)[0] for r in "48"]
    assert ranks[0]["device"]["states"] < ranks[1]["device"]["states"]


def test_what_fits_on_no_card_says_so() -> None:
    assert cases("--parameters", "70B", "--method", "full")[0]["card_gb"] is None
    assert "over 141 GB" in estimate("--parameters", "70B", "--method", "full")


@pytest.mark.parametrize("columns", ["60", "80", "130"])
def test_no_number_is_cut_at_any_width(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert "…" not in estimate("--parameters", "13B", "--nproc", "8")


def test_it_speaks_chinese() -> None:
    done = CliRunner().invoke(main, ["--lang", "zh", "estimate", "--parameters", "7B"])
    assert "以上是估算而非实测" in done.output


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["estimate", "--model", str(tmp_path)])
    assert done.exit_code == 1
    assert "does not tell the model's sizes" in done.output


def test_torch_is_not_loaded_for_numbers_alone() -> None:
    code = (
        "import sys; sys.argv = ['yuren-train', 'estimate', '--parameters', '7B'];"
        "import atexit; atexit.register(lambda: print('torch' in sys.modules));"
        "from yuren_train.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def _full(nproc: int) -> tuple[str, ...]:
    return ("--parameters", "7B", "--method", "full", "--nproc", str(nproc))
