# SPDX-License-Identifier: Apache-2.0
"""The cache of tokenized files is kept below a size: what was not used for longest goes first.

    CACHE/tokenized/KEY/    the ids of one file; locked (shared) by whoever reads them
    CACHE/pictures/         that rows hold themselves; they go with the last ids that name them
    CACHE/.writing          locked (shared) while ids are written, exclusively while room is made

Rule that always holds: what a living process reads or writes stays, so the cache may be larger
than its limit for as long. Locks are the operating system's, and end with their process; on a
disk that has none, nothing is removed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from yuren_core.paths import storing

LIMIT = 20 * 10**9
"""Bytes of all ids and pictures."""

TOKENIZED, PICTURES, REPORT = "tokenized", "pictures", "report.json"
_WRITING = ".writing"
_LOCKABLE = "a+b"  # NFS gives a shared lock to readers alone, an exclusive one to writers alone


def held(report: Path) -> IO[bytes]:
    """Open a directory's report as a sign that its ids are read, until it is closed.

    Raises:
        OSError: it is not there.
    """
    file = report.open("rb")
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH)
    with suppress(OSError):  # on a disk that may not be written
        os.utime(report)
    return file


@contextmanager
def writing(cache: Path) -> Iterator[None]:
    """Within it, nobody makes room: what is written may name pictures that are there.

    Raises:
        StorageError: the cache cannot be written.
    """
    with storing(cache):
        cache.mkdir(parents=True, exist_ok=True)
        file = (cache / _WRITING).open(_LOCKABLE)
    with file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_SH)
        yield


def make_room(
    cache: Path, pictures_of: Callable[[Path], Iterable[str]], limit: int | None = None
) -> int:
    """Remove ids, the longest unused first, and pictures that no others name.

    Args:
        cache: both lie in it.
        pictures_of: paths of the pictures that a directory of ids names.
        limit: bytes that may stay; None is `LIMIT`.

    Returns:
        The bytes that stay. More than `limit` where all are in use, or somebody writes.
    """
    limit = LIMIT if limit is None else limit
    with storing(cache):
        lock = (cache / _WRITING).open(_LOCKABLE)
    with lock:
        total = _size(cache / TOKENIZED) + _size(cache / PICTURES)
        if total <= limit or not _taken(lock):
            return total
        for draft in (cache / TOKENIZED).glob(".*"):  # of processes that were killed
            total -= _remove(draft)
        entries = sorted((cache / TOKENIZED).glob("[!.]*"), key=_last_use)
        # By their names, which are hashes: one cache may be reached by several paths.
        pictures = {picture.name: picture for picture in _files(cache / PICTURES)}
        named = Counter(
            name for entry in entries for name in _names(pictures_of(entry)) & pictures.keys()
        )
        for name in pictures.keys() - named.keys():
            total -= _remove(pictures[name])
        for entry in entries:
            if total <= limit:
                break
            names = _names(pictures_of(entry)) & pictures.keys()
            if not (freed := _remove_unless_read(entry)):
                continue
            total -= freed
            named.subtract(names)
            for name in names:
                if named[name] == 0:
                    total -= _remove(pictures[name])
        return total


def _names(paths: Iterable[str]) -> set[str]:
    return {Path(path).name for path in paths}


def _taken(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_unless_read(entry: Path) -> int:
    """Bytes that are free now: 0 where somebody reads."""
    try:
        file = (entry / REPORT).open("r+b")
    except (FileNotFoundError, NotADirectoryError):
        return _remove(entry)  # damaged: nobody can
    except OSError:
        return 0
    with file:
        return _remove(entry) if _taken(file) else 0


def _remove(path: Path) -> int:
    size = _size(path)
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
    return size - _size(path)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    # os.walk passes over what others remove meanwhile, where Path.rglob fails.
    return [Path(place, name) for place, _, names in os.walk(path) for name in names]


def _size(path: Path) -> int:
    sizes = []
    for file in _files(path):
        with suppress(OSError):
            sizes.append(file.stat().st_size)
    return sum(sizes)


def _last_use(entry: Path) -> float:
    try:
        return (entry / REPORT).stat().st_mtime
    except OSError:
        return 0.0
