# SPDX-License-Identifier: Apache-2.0
"""`stage2` and `stage3` on the command line: what must be named, what is refused, what is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.train.tiny_run import write_picture_rows
from yuren_train.cli import main

STAGES = pytest.mark.parametrize("stage", ["stage2", "stage3"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_picture_rows(tmp_path / "rows.jsonl", rows=12)


def called(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@STAGES
def test_a_model_and_data_must_be_named(stage: str, multimodal_model: Path) -> None:
    result = called(stage)
    assert result.exit_code == 2
    assert "none is named" in result.stderr
    assert "prepare-base --vision-tower" in result.stderr
    result = called(stage, "--model", multimodal_model)
    assert result.exit_code == 2
    assert "Name a file with --data" in result.stderr


@STAGES
def test_a_blind_model_is_refused_before_anything_is_loaded(
    stage: str, text_model: Path, data: Path, tmp_path: Path
) -> None:
    result = called(stage, "--model", text_model, "--data", data, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert f"prepare-base --model {text_model} --vision-tower" in result.stderr
    assert not (tmp_path / "out").exists()


def test_stage_2_has_no_method(multimodal_model: Path, data: Path, tmp_path: Path) -> None:
    assert called("stage2", "--lora").exit_code == 2
    file = tmp_path / "run.yaml"
    file.write_text("method: lora\n")
    result = called("stage2", "--model", multimodal_model, "--data", data, "--config", file)
    assert result.exit_code == 2
    assert "method cannot be lora" in result.stderr


@STAGES
def test_a_dry_run_tells_what_would_learn(stage: str, multimodal_model: Path, data: Path) -> None:
    result = called(
        *(stage, "--model", multimodal_model, "--data", data, "--max-length", 200, "--dry-run")
    )
    assert result.exit_code == 0, result.stderr
    assert "order: grouped  # default below 1B parameters" in result.stdout
    assert ("2,112 (" in result.stdout) is (stage == "stage2")


def test_both_stages_one_after_the_other(
    multimodal_model: Path, data: Path, tmp_path: Path
) -> None:
    common = ("--data", data, "--max-length", 200, "--max-steps", 1)
    second, third = tmp_path / "second", tmp_path / "third"
    result = called("stage2", "--model", multimodal_model, *common, "--out", second)
    assert result.exit_code == 0, result.stderr
    result = called("stage3", "--lora", "--model", second, *common, "--out", third)
    assert result.exit_code == 0, result.stderr
    assert (third / "mm_projector.safetensors").is_file()
    assert f"yuren-chat --model {third}" in result.stderr + result.stdout
