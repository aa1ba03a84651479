# SPDX-License-Identifier: Apache-2.0
"""What disks do: damage, no room, no right to write, a lock held for long."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.tui.store.conftest import exchange
from yuren_core.errors import StorageError
from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_tui.store import Draft, Store, database
from yuren_tui.store.faults import suspicion_of, translated
from yuren_tui.store.rescue import set_aside
from yuren_tui.store.store import FILE_NAME


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_file_is_kept_aside_and_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with Store.open(tmp_path) as store:
        (notice,) = store.notices
        assert store.chats.page() == []
        exchange(store, store.chats.create().id, "q", "a")
    (kept,) = tmp_path.glob("*.damaged-*")
    assert kept.read_bytes() == content
    assert str(kept) in notice
    with Store.open(tmp_path) as store:
        assert store.notices == ()
        assert len(store.chats.page()) == 1


def test_a_store_begun_anew_is_not_set_aside_by_another_that_saw_the_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 100)
    others: list[threading.Thread] = []

    def say_something() -> None:
        with Store.open(tmp_path) as store:
            exchange(store, store.chats.create().id, "q", "a")

    def set_aside_late(path: Path) -> Path:
        if not others:
            others.append(threading.Thread(target=say_something))
            others[0].start()
            others[0].join(0.5)  # it is done by now, unless it has to wait for us
        return set_aside(path)

    monkeypatch.setattr(database, "set_aside", set_aside_late)
    with Store.open(tmp_path) as store:
        others[0].join(30)
        assert [message.text for message in store.messages.path(1)] == ["q", "a"]
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1


def test_damage_found_on_the_way_is_told_and_checked_at_the_next_opening(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        chat_id = store.chats.create().id
        for i in range(50):
            store.messages.append(chat_id, Role.USER, f"{i} " * 500)
    file = tmp_path / FILE_NAME
    with closing(sqlite3.connect(file)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'messages'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(file.read_bytes())
    data[(page - 1) * size : page * size] = b"\xff" * size
    file.write_bytes(data)
    with Store.open(tmp_path) as store:
        with pytest.raises(StorageError, match="cannot use") as caught:
            store.messages.tree(chat_id)
        assert "checked" in caught.value.hint
    assert suspicion_of(file).exists()
    with Store.open(tmp_path) as store:
        assert len(store.notices) == 1
    assert list(tmp_path.glob("*.damaged-*"))
    assert not suspicion_of(file).exists()


def test_a_suspected_file_that_is_sound_stays(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        exchange(store, store.chats.create().id, "needle", "a")
        store.database.rows("SELECT 1")
        with store.database.write() as db:  # an index that lost a text is filled anew
            db.execute("INSERT INTO message_index (message_index) VALUES ('delete-all')")
        assert store.search("needle").chats == ()
    suspicion_of(tmp_path / FILE_NAME).touch()
    with Store.open(tmp_path) as store:
        assert store.notices == ()
        assert len(store.search("needle").chats) == 1
    assert not suspicion_of(tmp_path / FILE_NAME).exists()


def test_a_full_disk_is_told_and_nothing_is_half_stored(store: Store) -> None:
    chat_id = store.chats.create().id
    exchange(store, chat_id, "q", "a")
    begun = store.messages.begin_answer(chat_id)
    (pages,) = store.database.rows("PRAGMA page_count")[0]
    store.database.rows(f"PRAGMA max_page_count = {pages}")
    big = "x y " * 100_000
    for act in (
        lambda: store.messages.append(chat_id, Role.USER, big),
        lambda: store.messages.save_partial(begun.id, big),
        lambda: store.messages.finish(begun.id, big, "done"),
        lambda: store.chats.save_draft(chat_id, Draft(big)),
    ):
        with pytest.raises(StorageError, match="full") as caught:
            act()
        assert "Free some space" in caught.value.hint
    store.database.rows("PRAGMA max_page_count = 1000000")
    assert [m.text for m in store.messages.path(chat_id)] == ["q", "a", ""]
    assert store.messages.finish(begun.id, big, "done").text == big
    assert store.check() == []


def test_a_lock_held_for_long_is_told(tmp_path: Path) -> None:
    with Store.open(tmp_path, busy_timeout_s=0.05) as store:
        chat_id = store.chats.create().id
        with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageError, match="locked") as caught:
                store.messages.append(chat_id, Role.USER, "q")
            assert "Another yuren" in caught.value.hint
            assert store.messages.path(chat_id) == ()  # reading goes on
            other.execute("ROLLBACK")
        assert store.messages.append(chat_id, Role.USER, "q").text == "q"


def test_a_read_only_connection_is_told(store: Store) -> None:
    chat_id = store.chats.create().id
    store.database.rows("PRAGMA query_only = ON")
    with pytest.raises(StorageError, match="cannot use") as caught:
        store.messages.append(chat_id, Role.USER, "q")
    assert "right to write" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_place_is_told(tmp_path: Path) -> None:
    place = tmp_path / "locked"
    place.mkdir()
    place.chmod(0o500)
    with pytest.raises(StorageError, match="locked"):
        Store.open(place)
    place.chmod(0o700)


def test_a_file_where_the_directory_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write"):
        Store.open(tmp_path / "file")


def test_values_that_json_cannot_hold_are_refused(store: Store) -> None:
    chat_id = store.chats.create().id
    for value in (float("nan"), object(), {1, 2}):
        with pytest.raises(StorageError, match="JSON"):
            store.messages.append(chat_id, Role.USER, "q", extras={"a": value})
    assert store.messages.path(chat_id) == ()


@pytest.mark.parametrize(("free", "remedy"), [(0, "full"), (1 << 30, "io")])
def test_a_full_disk_that_sqlite_takes_for_a_broken_one_is_told_as_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, remedy: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    with pytest.raises(StorageError) as caught, translated(tmp_path / FILE_NAME):
        raise error
    assert caught.value.hint == tr(f"store.remedy_{remedy}")
