# SPDX-License-Identifier: Apache-2.0
"""What ships with yuren is found in a checkout and in a wheel; a broken installation says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from yuren_core import shipped
from yuren_core.errors import StorageError
from yuren_core.shipped import assets_dir


def test_the_assets_are_found() -> None:
    assert (assets_dir() / "locale" / "en.toml").is_file()


def test_a_wheel_s_assets_lie_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "yuren_core"
    monkeypatch.setattr(shipped, "__file__", str(package / "shipped.py"))
    with pytest.raises(StorageError, match="assets directory is missing") as caught:
        assets_dir()
    assert "pip" in caught.value.hint
    (tmp_path / "assets").mkdir()
    assert assets_dir() == tmp_path / "assets"
    (package / "assets").mkdir(parents=True)
    assert assets_dir() == package / "assets"
