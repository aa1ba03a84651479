# SPDX-License-Identifier: Apache-2.0
"""`yuren-train prepare-base`: what it says, and how it fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.core.foreign import make_mistral, make_qwen2
from tests.tiny import tiny_tower
from tests.train.models.bases import plain_base
from yuren_core.chatml import CONTROL_TOKENS, PAD
from yuren_core.model.loading import load_model
from yuren_train.cli import main


def test_it_lists_ids_and_tells_the_proof(tmp_path: Path) -> None:
    source = plain_base(tmp_path / "base", tied=True)
    tiny_tower(directory=tmp_path / "tower")
    arguments = ["--model", str(source), "--out", str(tmp_path / "out")]
    seeing = ["--vision-tower", str(tmp_path / "tower"), "--context-length", "1024"]
    result = CliRunner().invoke(main, ["prepare-base", *arguments, *seeing])
    assert result.exit_code == 0, result.output
    loaded = load_model(str(tmp_path / "out"), load="bf16", device="cpu")
    for token in (*CONTROL_TOKENS, PAD):
        assert f"{token} " in result.stdout
        assert f" {loaded.tokenizer.control_id(token)}  new\n" in result.stdout
    assert "input and output are one" in result.stdout
    assert "context: 1,024 tokens" in result.stdout
    assert f"one picture: {loaded.image_cost} tokens" in result.stdout
    assert "unchanged (largest difference " in result.stdout
    assert result.stdout.endswith(f"The base is ready: {tmp_path / 'out'}\n")
    assert result.stderr.splitlines() == [
        "Reading the base…",
        "Adding the control tokens that are missing…",
        "Reading the vision tower…",
        "Writing…",
        "Reading it back and comparing logits…",
    ]


def test_a_base_that_has_all_tokens_is_told_that_none_was_added(tmp_path: Path) -> None:
    source = plain_base(tmp_path / "base")
    first, second = tmp_path / "first", tmp_path / "second"
    runner = CliRunner()
    runner.invoke(main, ["prepare-base", "--model", str(source), "--out", str(first)])
    again = ["prepare-base", "--model", str(first), "--out", str(second)]
    result = runner.invoke(main, again)
    assert result.exit_code == 0, result.output
    said = result.stdout.splitlines()[0]
    assert "nothing was added: " in said
    assert all(token in said for token in (*CONTROL_TOKENS, PAD))
    assert "kept" not in result.stdout


def test_in_a_process_of_its_own_stdout_is_the_answer_alone(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("yuren-train")), "prepare-base"]
    source = plain_base(tmp_path / "base")
    arguments = ["--model", str(source), "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("<|im_start|>")
    assert len(done.stderr.splitlines()) == 4


def test_a_place_that_is_taken_is_an_error_in_words(tmp_path: Path) -> None:
    source = plain_base(tmp_path / "base")
    arguments = ["prepare-base", "--model", str(source), "--out", str(source)]
    result = CliRunner().invoke(main, ["--lang", "zh", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"错误：{source} 已经存在\n请选择一个新的或空的目录。\n"


@pytest.mark.parametrize("make", [make_mistral, make_qwen2])
def test_what_can_be_talked_to_alone_is_told_so(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    source = make(tmp_path / "source")
    arguments = ["--model", str(source), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["prepare-base", *arguments])
    assert result.exit_code == 1
    assert "can be talked to, but yuren neither trains nor rewrites it" in result.stderr
    assert f"yuren-chat --model {source}. What can be trained: llama" in result.stderr
