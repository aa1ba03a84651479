# SPDX-License-Identifier: Apache-2.0
"""`yuren-train merge`: what it says, and what it advises after QLoRA."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.tiny import make_text_model
from tests.train.models.test_merge import make_adapter
from yuren_core.protocol import LoadMode
from yuren_train.cli import main


@pytest.mark.parametrize(
    ("precision", "options", "advised"),
    [("bf16", [], False), ("4bit", [], True), ("4bit", ["--dequantized"], False)],
)
def test_it_tells_the_difference(
    tmp_path: Path, precision: LoadMode, options: list[str], advised: bool
) -> None:
    base = make_text_model(tmp_path / "base")
    adapter = make_adapter(tmp_path / "adapter", base, precision=precision)
    arguments = ["--adapter", str(adapter), "--out", str(tmp_path / "out"), "--device", "cpu"]
    result = CliRunner().invoke(main, ["merge", *arguments, *options])
    assert result.exit_code == 0, result.output
    assert f"base: {base}\n" in result.stdout
    assert "largest difference " in result.stdout
    assert ("--dequantized keeps closer" in result.stdout) is advised
    assert result.stdout.endswith(f"Merged: {tmp_path / 'out'}\n")


def test_a_model_is_no_adapter(tmp_path: Path) -> None:
    base = make_text_model(tmp_path / "base")
    arguments = ["merge", "--adapter", str(base), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "is no adapter\nName the directory that holds adapter_config.json." in result.stderr
