# SPDX-License-Identifier: Apache-2.0
"""Libraries' warnings are kept and not shown; anybody else's are shown and not kept."""

from __future__ import annotations

import warnings
from pathlib import Path

import peft
import pytest

from yuren_core.paths import log_dir
from yuren_train.training.train_log import library_warnings_logged, log_fault


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("YUREN_HOME", str(tmp_path))


def warn(file: str) -> None:
    warnings.warn_explicit("ensure weight tying", UserWarning, file, 7)


def test_a_librarys_warning_goes_to_the_log() -> None:
    with warnings.catch_warnings(record=True) as shown, library_warnings_logged():
        warnings.simplefilter("always")
        warn(str(peft.__file__))
    assert not shown
    text = (log_dir() / "train.log").read_text()
    assert "UserWarning: ensure weight tying" in text
    assert "peft" in text


def test_ours_are_shown() -> None:
    with warnings.catch_warnings(record=True) as shown, library_warnings_logged():
        warnings.simplefilter("always")
        warn("/work/peft/yuren_train/loop.py")
    assert len(shown) == 1
    assert not log_dir().exists()


def test_a_fault_is_written_down_with_its_trace() -> None:
    try:
        raise ValueError("odd \ud800")
    except ValueError as error:
        path = log_fault(error)
    text = path.read_text()
    assert "Traceback" in text
    assert "ValueError: odd" in text
