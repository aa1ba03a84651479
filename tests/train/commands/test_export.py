# SPDX-License-Identifier: Apache-2.0
"""`yuren-train export`: what it says, in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.train.models.test_merge import make_adapter
from yuren_train.cli import main


@pytest.mark.parametrize(("language", "words"), [("en", "largest difference"), ("zh", "最大差异")])
def test_it_tells_the_difference_to_the_loader_of_the_other_side(
    multimodal_model: Path, tmp_path: Path, language: str, words: str
) -> None:
    out = tmp_path / "out"
    arguments = ["--model", str(multimodal_model), "--to", "llava", "--out", str(out)]
    result = CliRunner().invoke(main, ["--lang", language, "export", *arguments])
    assert result.exit_code == 0, result.output
    assert words in result.stdout
    assert "LlavaProcessor" in result.stdout
    assert result.stdout.rstrip().endswith(str(out))
    assert len(result.stderr.splitlines()) == 4  # a line a step


def test_it_says_that_an_adapter_knew_4_bits(text_model: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", text_model, precision="4bit")
    arguments = ["--model", str(adapter), "--to", "hf", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["export", *arguments])
    assert result.exit_code == 0, result.output
    assert "trained on 4-bit weights" in result.stdout


def test_an_error_is_told_in_words(text_model: Path, tmp_path: Path) -> None:
    arguments = ["--model", str(text_model), "--to", "llava", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["--lang", "zh", "export", *arguments])
    assert result.exit_code == 2
    assert "--to hf" in result.stderr


def test_a_dtype_is_ggufs_alone(text_model: Path, tmp_path: Path) -> None:
    arguments = ["--model", str(text_model), "--to", "hf", "--dtype", "bf16"]
    result = CliRunner().invoke(main, ["export", *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "--to hf keeps the weights' own dtype" in result.stderr


def test_gguf_comes_with_what_ollama_needs(multimodal_model: Path, tmp_path: Path) -> None:
    arguments = ["--model", str(multimodal_model), "--to", "gguf", "--dtype", "q8_0"]
    result = CliRunner().invoke(main, ["export", *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert f"ollama create NAME -f {tmp_path / 'out' / 'Modelfile'}" in result.stdout
    assert "mmproj-f16.gguf holds tower and projector" in result.stdout
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"model-q8_0.gguf", "mmproj-f16.gguf", "Modelfile", "provenance.json"}
