# SPDX-License-Identifier: Apache-2.0
"""Real processes on one store: killed at any moment, writing side by side, dying in an answer."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from tests.tui.store.conftest import exchange
from yuren_core.messages import Role
from yuren_tui.store import Store
from yuren_tui.store.migrations import MIGRATIONS

ROOT = Path(__file__).parents[3]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def kill_after(directory: Path, seed: int, delay: float) -> list[dict[str, Any]]:
    """Run the scripted chat, kill it some time after it is ready; what it said it had stored."""
    process = start("-m", "tests.tui.store.scripted_chat", str(directory), str(seed))
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.read().splitlines()
    process.wait()
    said = []
    for line in lines:
        try:
            said.append(json.loads(line))
        except ValueError:
            assert line == lines[-1], "only the last line may be cut off"
    assert said
    assert said[0] == {"ready": True}
    return said


def kill_often(directory: Path, times: int) -> None:
    draw = random.Random(5)
    stored: dict[int, str] = {}
    for seed in range(times):
        said = kill_after(directory, seed, draw.random() * 0.25)
        stored |= {line["message"]: line["text"] for line in said if "message" in line}
        partial = next((line for line in reversed(said) if "partial" in line), None)
        with Store.open(directory) as store:
            assert store.check() == []
            for message_id, text in stored.items():
                assert store.messages.get(message_id).text == text
            if partial is not None:
                answer = store.messages.get(partial["partial"])
                assert answer.text.startswith(partial["text"])
                assert answer.status in ("failed", "done")
            drafts = [line for line in said if "draft" in line]
            if drafts:
                draft = store.chats.get(drafts[-1]["chat"]).draft.text
                number = int(drafts[-1]["draft"].rpartition(".")[2])
                # The next one may be stored already, and not have been told.
                assert draft in (f"draft {seed}.{number}", f"draft {seed}.{number + 1}")
            last = store.chats.last()
            if last is not None:
                assert all(m.status != "writing" for m in store.messages.tree(last.id))
                assert store.messages.path(last.id)
    assert stored


def test_fifteen_kills_lose_nothing(tmp_path: Path) -> None:
    kill_often(tmp_path, 15)


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    kill_often(tmp_path, 100)


WRITER = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from yuren_tui.store import Store
    store = Store.open(Path(sys.argv[1]))
    answer = store.messages.begin_answer(int(sys.argv[2]))
    if sys.argv[3]:
        store.messages.save_partial(answer.id, sys.argv[3])
    print(answer.id, flush=True)
    time.sleep(60)
""")


def begin_answer_elsewhere(
    directory: Path, chat_id: int, text: str
) -> tuple[subprocess.Popen[str], int]:
    process = start("-c", WRITER, str(directory), str(chat_id), text)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_a_living_process_s_answer_is_left_alone_and_a_dead_one_s_closed(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        chat_id = store.chats.create().id
        store.messages.append(chat_id, Role.USER, "q")
    process, answer_id = begin_answer_elsewhere(tmp_path, chat_id, "half")
    try:
        with Store.open(tmp_path) as store:
            assert store.messages.get(answer_id).status == "writing"
            assert store.messages.recover() == 0
            process.kill()
            process.wait()
            assert store.messages.recover() == 1
            answer = store.messages.get(answer_id)
            assert (answer.status, answer.text) == ("failed", "half")
            assert [hit.chat.id for hit in store.search("half").chats] == [chat_id]
    finally:
        process.kill()


def test_a_wordless_answer_of_a_dead_process_goes_and_its_question_stays(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        chat_id = store.chats.create().id
        store.messages.append(chat_id, Role.USER, "q")
    process, _ = begin_answer_elsewhere(tmp_path, chat_id, "")
    process.kill()
    process.wait()
    with Store.open(tmp_path) as store:
        assert [m.text for m in store.messages.path(chat_id)] == ["q"]
        assert store.check() == []


def test_a_closed_store_s_answer_is_closed_at_the_next_opening(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        chat_id = store.chats.create().id
        answer = store.messages.begin_answer(chat_id, text="half")
        with Store.open(tmp_path) as other:
            assert other.messages.get(answer.id).status == "writing"
    with Store.open(tmp_path) as store:
        assert store.messages.get(answer.id).status == "failed"


TALKER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from yuren_core.messages import Role
    from yuren_tui.store import Store
    with Store.open(Path(sys.argv[1])) as store:
        for i in range(60):
            store.messages.append(int(sys.argv[2]), Role.USER, f"{sys.argv[3]} {i}")
""")


def test_processes_that_write_one_chat_at_once_lose_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        chat_id = store.chats.create().id
    talkers = [start("-c", TALKER, str(tmp_path), str(chat_id), name) for name in "ab"]
    assert [talker.wait(30) for talker in talkers] == [0, 0]
    with Store.open(tmp_path) as store:
        said = [message.text for message in store.messages.tree(chat_id)]
        assert sorted(said) == sorted(f"{name} {i}" for name in "ab" for i in range(60))
        assert store.check() == []


def test_processes_that_open_a_new_store_at_once_agree(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from yuren_tui.store import Store\n"
    script += "with Store.open(Path(sys.argv[1])) as store: store.chats.create()"
    openers = [start("-c", script, str(tmp_path / "new")) for _ in range(4)]
    assert [opener.wait(30) for opener in openers] == [0] * 4
    with Store.open(tmp_path / "new") as store:
        assert len(store.database.rows("SELECT id FROM chats")) == 4


def test_processes_that_open_an_older_store_at_once_agree(tmp_path: Path) -> None:
    with Store.open(tmp_path, steps=MIGRATIONS[:2]) as store, store.database.write() as db:
        db.execute(
            "INSERT INTO chats (uid, created_at, updated_at, opened_at, preset)"
            " VALUES ('1', 1, 1, 1, ?)",
            (json.dumps({"toml": "x" * 3_000_000}),),
        )
    script = "import sys; from pathlib import Path; from yuren_tui.store import Draft, Store\n"
    script += "with Store.open(Path(sys.argv[1])) as store:\n"
    script += "    assert len(store.chats.preset(1)['toml']) == 3_000_000\n"
    script += "    store.chats.save_draft(1, Draft('unsent'))"
    openers = [start("-c", script, str(tmp_path)) for _ in range(4)]
    assert [opener.wait(30) for opener in openers] == [0] * 4
    with Store.open(tmp_path) as store:
        assert store.database.rows("SELECT count(*) FROM chat_presets")[0][0] == 1
        assert store.chats.get(1).draft.text == "unsent"
        assert store.check() == []
    assert len(list(tmp_path.glob("*.bak"))) == 1


FULL_DISK = textwrap.dedent("""
    import resource, signal, sys
    from pathlib import Path
    from yuren_core.errors import StorageError
    from yuren_core.messages import Role
    from yuren_tui.store import Store
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = Store.open(Path(sys.argv[1]))
    chat_id = store.chats.create().id
    store.messages.append(chat_id, Role.USER, "kept")
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    try:
        for i in range(100):
            store.messages.append(chat_id, Role.USER, f"{i} " * 20_000)
    except StorageError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.messages.append(chat_id, Role.USER, "after")
    print([m.text[:5] for m in store.messages.path(chat_id)][0], store.check())
""")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_no_room_left_is_told_and_the_store_goes_on_when_there_is(tmp_path: Path) -> None:
    done = start("-c", FULL_DISK, str(tmp_path))
    out, _ = done.communicate(timeout=60)
    assert done.returncode == 0
    assert "What is on the screen is not lost." in out
    assert out.splitlines()[-1] == "kept []"


def test_what_was_answered_before_is_there_after(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        chat_id = store.chats.create().id
        exchange(store, chat_id, "q", "a")
    with Store.open(tmp_path) as store:
        assert [m.text for m in store.messages.path(chat_id)] == ["q", "a"]
