# SPDX-License-Identifier: Apache-2.0
"""The cache stays below its size, and what is in use stays in it."""

from __future__ import annotations

import base64
import gc
import os
import subprocess
import sys
from pathlib import Path

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
