# SPDX-License-Identifier: Apache-2.0
"""Files to raw rows, one at a time: a JSON array, JSON lines or Parquet, each also gzipped.

A file's content decides what it is, never its name. Memory holds one row and one block of the
file, whatever the file's size. What is wrong inside a file is a `Fault` among the rows, and
reading goes on behind it; only a file that cannot be opened at all is an error.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from yuren_core.errors import DataError
from yuren_core.i18n import reason_of, tr
from yuren_train.data.faults import Fault, Place, shortened
from yuren_train.data.json_array import MAX_ROW_BYTES, Element, split_array

RawRow = tuple[Place, object]
"""Where a row stands, and what the file holds there: any JSON value, or a Fault."""

_GZIP, _PARQUET, _BOM = b"\x1f\x8b", b"PAR1", b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_PARQUET_ROWS = 64  # read together: few, since each may hold pictures
_BLOCK = 1 << 20
_CHUNK_ROWS = 256


class _MeteredFile(io.FileIO):
    """A file that tells how many bytes are read from it."""

    def __init__(self, path: Path, on_read: Callable[[int], None] | None) -> None:
        super().__init__(path)
        self._on_read = on_read

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        if self._on_read and count:
            self._on_read(count)
        return count


def read_rows(path: Path, *, on_read: Callable[[int], None] | None = None) -> Iterator[RawRow]:
    """Read a file's rows, in order.

    Args:
        path: the file.
        on_read: told the number of bytes of each piece that is read from the disk.

    Yields:
        A place and a raw row, or a place and what is wrong there: at least that there is no row.

    Raises:
        DataError: there is no such file, or it may not be read.
    """
    try:
        raw = _MeteredFile(path, on_read)
    except OSError as error:
        raise DataError(
            tr("error.data.unreadable", path=path, reason=reason_of(error)),
            tr("error.data.unreadable_hint"),
        ) from error
    place = Place(path, 1, 1)
    with raw, io.BufferedReader(raw, _BLOCK) as file:
        try:
            content: io.BufferedReader[Any] = file
            if file.peek(2).startswith(_GZIP):
                content = io.BufferedReader(cast("Any", gzip.GzipFile(fileobj=file)), _BLOCK)
            is_empty = True
            for place, row in _rows_of(content, path):
                is_empty = False
                yield place, row
            if is_empty:
                yield place, Fault(place, "no_rows")
        except (OSError, EOFError, zlib.error) as error:
            yield place, Fault(place, "breaks_off", shortened(reason_of(error)))


def read_chunks(
    path: Path, *, on_read: Callable[[int], None] | None = None
) -> Iterator[list[RawRow]]:
    """The rows of `read_rows` in pieces that are worth sending to another process.

    A piece holds at most `_CHUNK_ROWS` rows, and fewer where rows are large.
    """
    chunk: list[RawRow] = []
    read = 0

    def count(size: int) -> None:
        nonlocal read
        read += size
        if on_read:
            on_read(size)

    for row in read_rows(path, on_read=count):
        chunk.append(row)
        if len(chunk) == _CHUNK_ROWS or read >= _BLOCK:
            yield chunk
            chunk, read = [], 0
    if chunk:
        yield chunk


def _rows_of(file: io.BufferedReader[Any], path: Path) -> Iterator[RawRow]:
    head = file.peek(_BLOCK)
    if head.startswith(_PARQUET):
        yield from _parquet(file, path)
        return
    if head.startswith(_UTF_16):
        place = Place(path, 1, 1)
        yield place, Fault(place, "encoding", "UTF-16")
        return
    if head.startswith(_BOM):
        file.read(len(_BOM))
        head = head[len(_BOM) :]
    # A file whose first block is nothing but blanks is taken for lines, and says so itself.
    elements = split_array(file) if head.lstrip()[:1] == b"[" else _lines(file)
    for row, element in enumerate(elements, start=1):
        place = Place(path, element.line, row)
        yield place, _decode(element, place)


def _lines(file: io.BufferedReader[Any]) -> Iterator[Element]:
    """The lines that are not blank."""
    number = 0
    while data := file.readline(MAX_ROW_BYTES + 1):
        number += 1
        is_whole = len(data) <= MAX_ROW_BYTES
        rest = data
        while len(rest) > MAX_ROW_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MAX_ROW_BYTES + 1)
        if content := data.strip():
            yield Element(number, content if is_whole else None)


def _decode(element: Element, place: Place) -> object:
    """The value, or what is wrong with it; the place of a fault is the line where it shows."""
    if element.data is None:
        return Fault(place, "too_long", f"> {MAX_ROW_BYTES >> 20} MB")
    try:
        text = element.data.decode()
        return json.loads(text)
    except UnicodeDecodeError as error:
        line = element.line + error.object.count(b"\n", 0, error.start)
        return Fault(
            Place(place.file, line, place.row),
            "encoding",
            repr(error.object[error.start : error.end]),
        )
    except json.JSONDecodeError as error:
        line = element.line + error.lineno - 1
        near = error.doc[max(0, error.pos - 20) : error.pos + 20]
        return Fault(Place(place.file, line, place.row), "json", shortened(near))
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; a deep nest
        return Fault(place, "json", shortened(str(error)))


def _parquet(file: io.BufferedReader[Any], path: Path) -> Iterator[RawRow]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(
            tr("error.data.no_pyarrow", path=path), tr("error.data.no_pyarrow_hint")
        ) from error
    row = 0
    try:
        # Parquet is read from its end; what is gzipped must be unpacked first.
        source = file if not isinstance(file.raw, gzip.GzipFile) else io.BytesIO(file.read())
        table = parquet.ParquetFile(source)
        for batch in table.iter_batches(batch_size=_PARQUET_ROWS):
            for value in batch.to_pylist():
                row += 1
                yield Place(path, None, row), value
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:  # a string that is no UTF-8
        place = Place(path, None, row + 1)
        yield place, Fault(place, "breaks_off", shortened(str(error)))
