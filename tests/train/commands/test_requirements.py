# SPDX-License-Identifier: Apache-2.0
"""What is not installed is told in words, with what to do, before anything heavy is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from yuren_core.errors import UsageError
from yuren_train.commands.requirements import packages_of, require
from yuren_train.config import TrainConfig

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({packages!r}))
sys.argv = ["yuren-train", "--lang", "en", "stage1", *{arguments!r}]
from yuren_train.cli import main
main()
"""


def config(**values: Any) -> TrainConfig:
    return TrainConfig(stage="stage1", model="m", data=(), out=Path("out"), **values)


@pytest.mark.parametrize(
    ("values", "packages"),
    [
        ({}, []),
        ({"method": "lora"}, []),
        ({"method": "qlora"}, ["bitsandbytes"]),
        ({"optimizer": "paged_adamw_8bit"}, ["bitsandbytes"]),
        ({"zero": 0}, ["deepspeed"]),
        ({"deepspeed": Path("ds.json"), "method": "qlora"}, ["bitsandbytes", "deepspeed"]),
    ],
)
def test_a_run_needs_what_its_values_ask_for(values: dict[str, Any], packages: list[str]) -> None:
    assert list(packages_of(config(**values))) == packages


def test_all_that_is_missing_is_named_at_once() -> None:
    require("json", "click")
    with pytest.raises(UsageError, match=r"no_such_one, no_such_two") as caught:
        require("no_such_one", "json", "no_such_two")
    assert "pip install 'yuren[train]'" in caught.value.hint


@pytest.mark.parametrize("package", ["peft", "pyarrow", "tensorboard"])
def test_stage1_says_so_without_a_trace_and_loads_nothing(package: str) -> None:
    code = WITHOUT.format(packages=[package, "torch"], arguments=["--dry-run"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"not installed: {package}" in done.stderr
    assert "pip install 'yuren[train]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("package", "arguments"), [("bitsandbytes", ["--qlora"]), ("deepspeed", ["--zero", "2"])]
)
def test_what_only_some_runs_need_is_asked_for_by_those(
    package: str, arguments: list[str], text_model: Path, tmp_path: Path
) -> None:
    told = [*arguments, "--model", str(text_model), "--max-length", "64"]
    code = WITHOUT.format(packages=[package], arguments=[*told, "--out", str(tmp_path / "out")])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"not installed: {package}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
