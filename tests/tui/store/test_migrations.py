# SPDX-License-Identifier: Apache-2.0
"""Versions: older ones are brought up with a copy kept, newer ones refused, all or nothing."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from yuren_core.errors import StorageError
from yuren_core.messages import Role
from yuren_tui.store import Store
from yuren_tui.store.migrations import MIGRATIONS, Step, migrate, run_script, version_of
from yuren_tui.store.store import FILE_NAME


def _add_mood(connection: sqlite3.Connection) -> None:
    run_script(
        connection,
        """
        ALTER TABLE chats ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';
        CREATE TABLE moods (name TEXT PRIMARY KEY);
        INSERT INTO moods VALUES ('calm; or not');
        """,
    )


def _fail(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE half (a)")
    raise sqlite3.OperationalError("step failed")


def _dangle(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE messages SET chat_id = 999")


_CHAT = """
INSERT INTO chats (uid, created_at, updated_at, opened_at, system_prompt)
VALUES ('11111111-1111-4111-8111-111111111111', 1, 2, 3, 's');
INSERT INTO messages (chat_id, parent_id, role, text, status, created_at)
VALUES (1, NULL, 'user', '问题 one', 'done', 1), (1, 1, 'assistant', 'answer one', 'done', 2);
UPDATE chats SET active_leaf = 2;
"""
"""An exchange, in columns that every version has: only the newest can be written by the store."""

NEXT: tuple[Step, ...] = (*MIGRATIONS, _add_mood)


@contextmanager
def database(directory: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
        yield connection


def version(directory: Path) -> int:
    with database(directory) as connection:
        return version_of(connection)


def contents(file: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT id, text FROM messages").fetchall()


@pytest.fixture(params=range(1, len(MIGRATIONS) + 1))
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A directory with a store as each version that ever was has left it, made by its steps."""
    with (
        Store.open(tmp_path, steps=MIGRATIONS[: request.param]) as store,
        store.database.write() as db,
    ):
        run_script(db, _CHAT)
    return tmp_path


def test_a_new_store_has_the_newest_version_and_no_copy(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        assert store.notices == ()
    with database(tmp_path) as connection:
        assert version_of(connection) == len(MIGRATIONS)
    assert not list(tmp_path.glob("*.bak"))


def test_an_older_store_is_brought_up_and_a_copy_kept(old: Path) -> None:
    before, found = contents(old / FILE_NAME), version(old)
    with Store.open(old, steps=NEXT) as store:
        assert store.database.rows("SELECT mood FROM chats")[0][0] == "calm"
        assert [m.text for m in store.messages.path(1)] == ["问题 one", "answer one"]
        assert [hit.chat.id for hit in store.search("问题").chats] == [1]
        assert store.check() == []
        store.messages.append(1, Role.USER, "goes on")
        (notice,) = store.notices
    (copy,) = old.glob("*.bak")
    assert str(copy) in notice
    assert f".v{found}-" in copy.name
    assert contents(copy) == before
    with closing(sqlite3.connect(copy)) as connection:
        assert version_of(connection) == found
    with Store.open(old, steps=NEXT) as store:
        assert store.notices == ()


def test_every_older_store_can_keep_an_edit_of_the_system_prompt(old: Path) -> None:
    with Store.open(old) as store:
        chat = store.chats.get(1)
        assert (chat.system_prompt, chat.system_draft) == ("s", None)
        store.chats.update(1, system_draft="edited")
    with Store.open(old) as store:
        assert store.chats.get(1).system_draft == "edited"


@pytest.mark.parametrize("found", [1, 2])
def test_a_preset_in_a_chat_s_row_gets_a_place_of_its_own(found: int, tmp_path: Path) -> None:
    lore = json.dumps({"id": "lore", "toml": "书" * 100_000}, ensure_ascii=False)
    with Store.open(tmp_path, steps=MIGRATIONS[:found]) as store, store.database.write() as db:
        run_script(db, _CHAT)
        db.execute(
            "INSERT INTO chats (uid, created_at, updated_at, opened_at) VALUES ('2', 4, 4, 4)"
        )
        db.execute("UPDATE chats SET preset = ? WHERE id = 1", (lore,))
        db.execute("INSERT INTO system_prompts (chat_id, text, used_at) VALUES (1, 'late', 9)")
        db.execute("INSERT INTO system_prompts (chat_id, text, used_at) VALUES (1, 's', 1)")
    with Store.open(tmp_path) as store:
        assert store.chats.preset(1) == json.loads(lore)
        assert store.chats.preset(2) is None
        assert [use.text for use in store.chats.system_prompt_uses(1)] == ["s", "late"]
        assert [use.text for use in store.chats.system_prompt_uses(2)] == [""]
        (row,) = store.database.rows("SELECT preset, updated_at FROM chats WHERE id = 1")
        assert tuple(row) == (None, 2)
        assert store.check() == []
        store.chats.purge(1)
        assert store.database.rows("SELECT * FROM chat_presets") == []
    (copy,) = tmp_path.glob("*.bak")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT preset FROM chats WHERE id = 1").fetchone() == (lore,)


def test_a_process_of_an_older_version_reads_on_and_may_not_write(tmp_path: Path) -> None:
    with Store.open(tmp_path, steps=MIGRATIONS[:2]) as older:
        with older.database.write() as db:
            run_script(db, _CHAT)
            db.execute("UPDATE chats SET preset = '{}'")
        with Store.open(tmp_path) as store:
            assert store.chats.preset(1) == {}
            (row,) = older.database.rows("SELECT * FROM chats")
            assert row["preset"] is None
            assert older.database.rows("SELECT text FROM system_prompts WHERE chat_id = 1")
            with pytest.raises(StorageError, match="newer yuren"):
                older.chats.touch(1)


def test_the_copy_holds_what_was_still_in_the_wal(old: Path) -> None:
    with Store.open(old) as still_open:  # so nothing is folded into the file
        still_open.messages.append(1, Role.USER, "only in the wal")
        before = contents(old / FILE_NAME)
        with Store.open(old, steps=NEXT):
            pass
        (copy,) = old.glob(f"*.v{len(MIGRATIONS)}-*.bak")
        assert contents(copy) == before
        with pytest.raises(StorageError, match="newer yuren"):
            still_open.messages.append(1, Role.USER, "an old process must not write on")


@pytest.mark.parametrize("step", [_fail, _dangle])
def test_a_step_that_fails_leaves_the_old_version_whole(old: Path, step: Step) -> None:
    before, found = contents(old / FILE_NAME), version(old)
    with pytest.raises(StorageError):
        Store.open(old, steps=(*NEXT, step))
    assert contents(old / FILE_NAME) == before
    with database(old) as connection:
        assert version_of(connection) == found
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert "moods" not in tables
    assert "half" not in tables
    with Store.open(old) as store:
        assert len(store.messages.path(1)) == 2


def test_a_newer_store_is_refused_and_not_touched(old: Path) -> None:
    with Store.open(old, steps=NEXT):
        pass
    before = (old / FILE_NAME).read_bytes()
    with pytest.raises(StorageError) as caught:
        Store.open(old)
    assert f"version {len(NEXT)}" in caught.value.message
    assert f"knows {len(MIGRATIONS)}" in caught.value.message
    assert "Upgrade yuren" in caught.value.hint
    assert ".bak" in caught.value.hint
    assert (old / FILE_NAME).read_bytes() == before


def test_another_program_s_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    with database(tmp_path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(StorageError, match="not a yuren store"):
        Store.open(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_store_made_between_two_looks_is_no_foreign_one(tmp_path: Path) -> None:
    """Whatever is looked at last, the one that looks is let in beside the one that makes."""
    opened: list[int] = []

    def make() -> None:
        with Store.open(tmp_path) as store:
            opened.append(store.chats.create().id)

    others: list[threading.Thread] = []

    def interrupt(statement: str) -> None:
        if "sqlite_master" in statement and not others:
            others.append(threading.Thread(target=make))
            others[0].start()
            others[0].join(0.5)  # it is done by now, unless it has to wait for us

    with database(tmp_path) as connection:
        connection.isolation_level = None
        connection.set_trace_callback(interrupt)
        assert migrate(connection, tmp_path / FILE_NAME) is None
        assert version_of(connection) == len(MIGRATIONS)
    (other,) = others
    other.join(30)
    assert opened == [1]
