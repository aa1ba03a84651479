# SPDX-License-Identifier: Apache-2.0
"""What room there is decides whether an export begins, and in which dtype it is proved."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from yuren_train.models.export import proof, room
from yuren_train.models.export.proof import proof_dtype
from yuren_train.models.export.room import available_memory
from yuren_train.models.export.source import read_source

GIB = 1 << 30


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system with 6 of 8 GiB available, and no container's limit."""
    (tmp_path / "meminfo").write_text(
        f"MemTotal: {8 << 20} kB\nMemFree: 9 kB\nMemAvailable: {6 << 20} kB\n"
    )
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(room, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(room, "_CGROUP", tmp_path)
    return tmp_path


def test_what_is_available_counts_and_not_what_is_installed(system: Path) -> None:
    assert available_memory() == 6 * GIB


def test_a_containers_limit_counts(system: Path) -> None:
    (system / "memory.max").write_text(f"{3 * GIB}\n")
    (system / "memory.current").write_text(f"{2 * GIB}\n")
    (system / "memory.stat").write_text(f"anon 5\ninactive_file {GIB // 2}\n")
    assert available_memory() == 3 * GIB // 2


def test_a_system_that_does_not_tell_has_what_is_installed(system: Path) -> None:
    (system / "meminfo").unlink()
    assert available_memory() > 0


def test_fp32_is_for_where_it_fits(text_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = read_source(str(text_model))
    monkeypatch.setattr(proof, "available_memory", lambda: GIB)
    assert proof_dtype(source) is torch.float32
    monkeypatch.setattr(proof, "available_memory", lambda: 1 << 10)
    assert proof_dtype(source) is torch.bfloat16
