# SPDX-License-Identifier: Apache-2.0
"""Every Python file says its licence and what it owns."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("yuren_core", "yuren_tui", "yuren_train")
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for directory in (*PACKAGES, "tests", "benchmarks")
    for path in (ROOT / directory).rglob("*.py")
)


@pytest.mark.parametrize("file", SOURCES)
def test_a_file_begins_with_its_licence(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not text or text.startswith("# SPDX-License-Identifier: Apache-2.0\n")


@pytest.mark.parametrize("file", [file for file in SOURCES if file.startswith(PACKAGES)])
def test_a_module_s_docstring_says_what_it_owns(file: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8")))
