# SPDX-License-Identifier: Apache-2.0
"""Every Python file says its licence and what it owns, and stands in a real package."""

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


def test_every_directory_of_modules_is_a_package() -> None:
    """Without `__init__.py`, the import contracts do not see what is in it."""
    directories = {(ROOT / file).parent for file in SOURCES if file.startswith(PACKAGES)}
    assert [str(d) for d in sorted(directories) if not (d / "__init__.py").exists()] == []
