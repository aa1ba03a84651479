# SPDX-License-Identifier: Apache-2.0
"""A library in an empty place, and the language of messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from yuren_core.i18n import use_language
from yuren_tui.presets import PresetLibrary


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    use_language("en")
    yield
    use_language("en")


@pytest.fixture
def library(tmp_path: Path) -> PresetLibrary:
    return PresetLibrary(own=tmp_path / "own")
