# SPDX-License-Identifier: Apache-2.0
"""The cache stays below its size, and what is in use stays in it."""

from __future__ import annotations

import base64
import errno
import fcntl
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import pytest

from tests.core.pictures import encoded, quarters
from tests.train.data.rows import make_tokenizer, share_gpt, write_lines
from yuren_train.config import Source
from yuren_train.data import cache_room
from yuren_train.data.cache_room import make_room, writing
from yuren_train.data.token_files import pictures_of
from yuren_train.data.tokenized import TokenizedRows, tokenize

TOKENIZER = make_tokenizer()


def read(file: Path, cache: Path) -> TokenizedRows:
    return tokenize([Source(file)], tokenizer=TOKENIZER, max_length=400, cache_dir=cache)


def text_file(place: Path, name: str) -> Path:
    return write_lines(place / f"{name}.jsonl", [share_gpt(name, "answer " * 40)] * 30)


def picture_file(place: Path, name: str, size: int) -> Path:
    picture = base64.b64encode(encoded(quarters(size, size), "PNG")).decode()
    url = f"data:image/png;base64,{picture}"
    return write_lines(place / f"{name}.jsonl", [share_gpt(f"<image>\n{name}", "it", image=url)])


def entries(cache: Path) -> set[str]:
    return {path.name for path in (cache / "tokenized").iterdir()}


def newest(cache: Path) -> str:
    """The directory last used; all are made older, so that the next is newer than they."""
    reports = sorted(cache.glob("tokenized/*/report.json"), key=lambda path: path.stat().st_mtime)
    for age, report in enumerate(reversed(reports)):
        os.utime(report, (1000 - age, 1000 - age))
    return reports[-1].parent.name


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    names = []
    for name in ("one", "two", "three"):
        read(text_file(tmp_path, name), cache)
        names.append(newest(cache))
    read(text_file(tmp_path, "one"), cache)  # is used again
    gc.collect()
    size = make_room(cache, pictures_of, limit=1 << 40)
    assert len(entries(cache)) == 3
    left = make_room(cache, pictures_of, limit=size - 1)
    assert entries(cache) == {names[0], names[2]}
    assert left < size


def test_what_this_process_reads_stays(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    rows = read(text_file(tmp_path, "one"), cache)
    used = newest(cache)
    read(text_file(tmp_path, "two"), cache)
    gc.collect()
    assert make_room(cache, pictures_of, limit=0) > 0
    assert entries(cache) == {used}
    assert len(rows[0].input_ids)


def test_what_another_process_reads_stays_until_it_ends(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    read(text_file(tmp_path, "one"), cache)
    gc.collect()
    used = newest(cache)
    program = (
        "import sys; from pathlib import Path; from yuren_train.data.cache_room import held\n"
        "file = held(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(cache / "tokenized" / used / "report.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        make_room(cache, pictures_of, limit=0)
        assert entries(cache) == {used}
        process.kill()
    assert make_room(cache, pictures_of, limit=0) == 0
    assert entries(cache) == set()


def test_nothing_goes_while_somebody_writes(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    read(text_file(tmp_path, "one"), cache)
    gc.collect()
    with writing(cache):
        make_room(cache, pictures_of, limit=0)
        assert len(entries(cache)) == 1
    make_room(cache, pictures_of, limit=0)
    assert entries(cache) == set()


def test_nothing_goes_while_somebody_writes_on_nfs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock

    def of_nfs(file: IO[bytes], operation: int) -> None:
        """Shared for those who may read, exclusive for those who may write: flock(2)."""
        may = file.writable() if operation & fcntl.LOCK_EX else file.readable()
        if not may:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", of_nfs)
    cache = tmp_path / "cache"
    read(text_file(tmp_path, "one"), cache)
    gc.collect()
    draft = cache / "tokenized" / ".key.1234"
    draft.mkdir()
    (draft / "rows.arrow").write_bytes(b"x" * 1000)
    with writing(cache):
        make_room(cache, pictures_of, limit=0)
        assert draft.exists()
        assert len(entries(cache)) == 2
    make_room(cache, pictures_of, limit=0)
    assert entries(cache) == set()


def test_what_others_remove_meanwhile_does_no_harm(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "tokenized").mkdir(parents=True)
    done = threading.Event()

    def come_and_go() -> None:
        number = 0
        while not done.is_set():
            number += 1
            for place in [cache / "tokenized" / f".key.{number}.{i}" for i in range(20)]:
                place.mkdir()
            for place in [cache / "tokenized" / f".key.{number}.{i}" for i in range(20)]:
                place.rmdir()

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(300):
            assert make_room(cache, pictures_of) == 0
    finally:
        done.set()
        other.join()


def test_pictures_in_use_stay_by_whatever_path_the_cache_is_reached(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    rows = read(picture_file(tmp_path, "one", 8), tmp_path / "link")
    make_room(tmp_path / "cache", pictures_of, limit=0)
    assert Path(rows[0].images[0].path).is_file()


def test_pictures_go_with_the_last_that_name_them(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    read(picture_file(tmp_path, "one", 8), cache)
    newest(cache)
    rows = read(picture_file(tmp_path, "same", 8), cache)
    newest(cache)
    read(picture_file(tmp_path, "other", 12), cache)
    gc.collect()
    assert sum(path.is_file() for path in (cache / "pictures").rglob("*")) == 2
    make_room(cache, pictures_of, limit=0)
    left = [path for path in (cache / "pictures").rglob("*") if path.is_file()]
    assert left == [Path(rows[0].images[0].path)]


def test_leftovers_of_killed_processes_go(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    rows = read(text_file(tmp_path, "one"), cache)
    draft = cache / "tokenized" / ".key.1234"
    draft.mkdir()
    (draft / "rows.arrow").write_bytes(b"x" * 1000)
    make_room(cache, pictures_of, limit=0)
    assert not draft.exists()
    assert len(rows)


def test_tokenizing_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    read(text_file(tmp_path, "one"), cache)
    gc.collect()
    first = newest(cache)
    monkeypatch.setattr(cache_room, "LIMIT", 10)
    read(text_file(tmp_path, "two"), cache)
    assert first not in entries(cache)
