# SPDX-License-Identifier: Apache-2.0
"""The whole of `yuren-chat` speaks the language asked for, what core refuses included."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = {
    "missing picture": (
        ["--image", "nowhere.png", "hi"],
        2,
        "错误：没有 nowhere.png 这个文件\n请检查文件名；含空格时需要加引号或反斜杠。\n",
    ),
    "temperature": (
        ["--temperature", "9", "hi"],
        2,
        "错误：temperature 不能是 9.0\n可以是：0 到 2。\n",
    ),
    "missing model": (
        ["--model", "/nowhere", "hi"],
        1,
        "错误：没有 /nowhere 这个模型目录\n请检查路径，或给出 hub 上的名字，如 owner/name。\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_errors_of_core_and_of_the_model_process_in_chinese(case: str, tmp_path: Path) -> None:
    arguments, code, error = CASES[case]
    done = subprocess.run(
        [sys.executable, "-m", "yuren_tui.cli", "--plain", "--lang", "zh", *arguments],
        cwd=tmp_path,
        env={**os.environ, "LANG": "en_US.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.endswith(error)
