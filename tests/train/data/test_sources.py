# SPDX-License-Identifier: Apache-2.0
"""Files of every kind and in every state: all their rows, and faults with their places."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.train.data.rows import share_gpt
from yuren_core.errors import DataError
from yuren_train.data import sources
from yuren_train.data.faults import Fault
from yuren_train.data.sources import read_chunks, read_rows

ROWS = [share_gpt(f"question {n}", f"回答 {n}\n第二行") for n in range(5)]


def as_array(rows: list[Any]) -> bytes:
    return json.dumps(rows, indent=1, ensure_ascii=False).encode()


def as_lines(rows: list[Any]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def as_parquet(rows: list[Any]) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue())


def read(path: Path, data: bytes) -> list[Any]:
    path.write_bytes(data)
    return [row for _, row in read_rows(path)]


def faults(path: Path, data: bytes) -> list[tuple[int | None, str]]:
    return [(row.place.line, row.code) for row in read(path, data) if isinstance(row, Fault)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("write", [as_array, as_lines, as_parquet])
def test_every_format_gives_the_same_rows(
    write: Callable[[list[Any]], bytes], pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    assert read(tmp_path / "no-suffix", pack(write(ROWS))) == ROWS


@pytest.mark.parametrize("write", [as_array, as_lines])
def test_a_byte_order_mark_and_crlf_change_nothing(
    write: Callable[[list[Any]], bytes], tmp_path: Path
) -> None:
    data = b"\xef\xbb\xbf" + write(ROWS).replace(b"\n", b"\r\n") + b"\r\n\r\n"
    assert read(tmp_path / "rows.json", data) == ROWS


def test_places_name_lines_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(as_lines(ROWS).replace(b"\n", b"\n\n"))
    places = [place for place, _ in read_rows(path)]
    assert [(place.line, place.row) for place in places] == [(1 + 2 * n, 1 + n) for n in range(5)]
    assert str(places[1]) == f"{path}:3"
    path.write_bytes(as_parquet(ROWS))
    place, _ = next(read_rows(path))
    assert (place.line, str(place)) == (None, f"{path}:row 1")


def test_wrong_json_at_a_line_is_a_fault_there_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = as_lines(ROWS).split(b"\n")
    lines[2] = lines[2][:-3]
    path = tmp_path / "rows.jsonl"
    assert faults(path, b"\n".join(lines)) == [(3, "json")]
    assert len(read(path, b"\n".join(lines))) == 5


def test_wrong_json_in_an_array_is_a_fault_at_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    lines = as_array(ROWS).split(b"\n")
    at = next(n for n, line in enumerate(lines) if b"question 2" in line)
    lines[at] = lines[at].replace(b": ", b" ")
    assert faults(path, b"\n".join(lines)) == [(at + 1, "json")]
    fault = next(row for row in read(path, b"\n".join(lines)) if isinstance(row, Fault))
    assert str(fault).startswith(f"{path}:{at + 1}: this is not JSON, ")
    assert "question 2" in fault.value
    assert len(read(path, b"\n".join(lines))) == 5


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", [(1, "no_rows")]),
        (b"\n\n", [(1, "no_rows")]),
        (b"[]", [(1, "no_rows")]),
        (b'{"a": 1}\n{"a": "\xff"}', [(2, "encoding")]),
        (b'[{"a": 1},\n{\n"a": "\xff"}]', [(3, "encoding")]),
        ('[{"a": 1}]'.encode("utf-16"), [(1, "encoding")]),
        (b'[{"a": 1},\n{"a": 2}', [(2, "breaks_off")]),
        (b"[" * 100_000, [(1, "json"), (1, "breaks_off")]),
        (b"1" * 5000, [(1, "json")]),
        (b"not json", [(1, "json")]),
    ],
)
def test_odd_files(data: bytes, expected: list[tuple[int, str]], tmp_path: Path) -> None:
    assert faults(tmp_path / "odd", data) == expected


def test_a_gzip_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    rows = [share_gpt("q" * 50, str(n) * 50) for n in range(40_000)]
    data = gzip.compress(as_lines(rows))
    path = tmp_path / "rows.jsonl.gz"
    found = read(path, data[: len(data) // 2])
    assert isinstance(found[-1], Fault)
    assert found[-1].code == "breaks_off"
    assert found[:100] == rows[:100]


def test_a_damaged_parquet_is_a_fault(tmp_path: Path) -> None:
    assert faults(tmp_path / "rows.parquet", as_parquet(ROWS)[:-30]) == [(None, "breaks_off")]


def test_a_line_that_is_too_long_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_ROW_BYTES", 100)
    path = tmp_path / "rows.jsonl"
    data = b'{"a": 1}\n{"a": "' + b"x" * 1000 + b'"}\n{"a": 2}'
    assert faults(path, data) == [(2, "too_long")]
    assert read(path, data)[2] == {"a": 2}


def test_escaped_lone_surrogates_and_megabytes_are_read(tmp_path: Path) -> None:
    row = share_gpt("\ud83d half", "x" * (3 << 20))
    assert read(tmp_path / "rows.jsonl", as_lines([row])) == [row]
    assert read(tmp_path / "rows.json", b"[" + as_lines([row]) + b"]") == [row]


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_a_file_that_cannot_be_opened_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        list(read_rows(tmp_path / name))
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


def test_chunks_hold_all_rows_and_are_small(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    small, large = share_gpt("q", "a"), share_gpt("q", "a" * (1 << 20))
    path.write_bytes(as_lines([*[small] * 600, *[large] * 6]))
    read_bytes: list[int] = []
    chunks = list(read_chunks(path, on_read=read_bytes.append))
    assert [row for chunk in chunks for _, row in chunk] == [*[small] * 600, *[large] * 6]
    assert max(len(chunk) for chunk in chunks) == 256
    assert sum(row == large for _, row in chunks[-1]) <= 2
    assert sum(read_bytes) == path.stat().st_size


def test_a_parquet_string_that_is_no_utf_8_is_a_fault(tmp_path: Path) -> None:
    raw = pa.array([b"fine", b"\xff\xfe"])
    text = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    file = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"conversations": text}), file)
    (_, row), *_ = list(read_rows(file))
    assert isinstance(row, Fault)
    assert row.code == "breaks_off"
