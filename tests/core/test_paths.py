# SPDX-License-Identifier: Apache-2.0
"""Where things lie, and that what has its final name is whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from yuren_core import paths
from yuren_core.errors import StorageError, UsageError
from yuren_core.paths import atomic_directory, atomic_write, require_parent, storing

Fail = Callable[[str], None]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Make a function of `os` or a method of `Path` fail as a full disk does."""

    def make(name: str) -> None:
        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(f"yuren_core.paths.{name}", full)

    return make


def test_one_variable_moves_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("YUREN_HOME", str(tmp_path))
    places = [paths.config_dir(), paths.data_dir(), paths.cache_dir(), paths.log_dir()]
    assert len(set(places)) == 4
    assert all(place.parent == tmp_path for place in places)
    assert paths.models_dir().parent == paths.data_dir()


def test_a_tilde_in_the_variable_is_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YUREN_HOME", "~/y")
    assert paths.data_dir() == Path.home() / "y" / "data"


def test_without_it_the_system_s_places_are_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("YUREN_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert "yuren" in paths.data_dir().parts
    assert paths.data_dir() not in (paths.cache_dir(), paths.config_dir())


def test_a_write_makes_its_directory_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "down" / "file.txt"
    atomic_write(target, "日本\u2028")
    assert target.read_bytes() == "日本\u2028".encode()
    atomic_write(target, b"\0\xff")
    assert target.read_bytes() == b"\0\xff"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("step", ["os.fsync", "os.fdopen", "Path.replace", "tempfile.mkstemp"])
def test_a_full_disk_keeps_the_older_file(tmp_path: Path, fail: Fail, step: str) -> None:
    target = tmp_path / "file.txt"
    atomic_write(target, "old")
    fail(step)
    with pytest.raises(StorageError, match="No space left") as caught:
        atomic_write(target, "new")
    assert str(target) in caught.value.message
    assert caught.value.hint
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_leaves_permissions_as_they_were_or_as_new_files_have_them(tmp_path: Path) -> None:
    (plain := tmp_path / "plain").write_text("x")
    atomic_write(tmp_path / "new", "x")
    assert (tmp_path / "new").stat().st_mode == plain.stat().st_mode
    (own := tmp_path / "own").write_text("x")
    own.chmod(0o600)
    atomic_write(own, "y")
    assert own.stat().st_mode & 0o777 == 0o600


def test_an_interrupt_keeps_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    target = tmp_path / "file.txt"
    atomic_write(target, "old")
    monkeypatch.setattr("yuren_core.paths.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_in_the_way_of_a_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError):
        atomic_write(tmp_path / "file" / "below", "y")
    with pytest.raises(StorageError), atomic_directory(tmp_path / "file" / "below"):
        pass


def test_other_errors_pass_through_storing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), storing(tmp_path):
        raise ValueError("mine")


def test_a_directory_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "models" / "tiny"
    with atomic_directory(target) as draft:
        (draft / "a").write_text("1")
        assert draft.parent == target.parent
        assert not target.exists()
    assert (target / "a").read_text() == "1"
    assert list(target.parent.iterdir()) == [target]


def test_a_directory_replaces_the_older_one(tmp_path: Path) -> None:
    target = tmp_path / "tiny"
    for name in ("old", "new"):
        with atomic_directory(target) as draft:
            (draft / name).touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_directory_half_filled_never_gets_its_name(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "tiny"
    with atomic_directory(target) as draft:
        (draft / "old").touch()
    with pytest.raises(error), atomic_directory(target) as draft:  # noqa: PT012
        (draft / "new").touch()
        raise error
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_rename_that_fails_keeps_the_older_directory(tmp_path: Path) -> None:
    target = tmp_path / "tiny"
    with atomic_directory(target) as draft:
        (draft / "old").touch()
    with pytest.raises(StorageError), atomic_directory(target) as draft:
        draft.rmdir()  # so that it cannot be given its name
    assert [path.name for path in target.iterdir()] == ["old"]


def test_a_place_that_a_person_names_has_its_directory(tmp_path: Path) -> None:
    require_parent(tmp_path / "a.md")
    with pytest.raises(UsageError) as missing:
        require_parent(tmp_path / "one" / "two" / "a.md")
    assert missing.value.message.endswith(f"there is no directory {tmp_path / 'one'}")
    assert missing.value.hint == "Make it first, or name a place that is there."
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as through:
        require_parent(tmp_path / "file" / "a.md")
    assert through.value.message.endswith(f"{tmp_path / 'file'} is a file, not a directory")
