# SPDX-License-Identifier: Apache-2.0
"""Data files to samples: tokenized once, kept on disk, read at random.

Each file's ids lie in a directory of their own, found by a hash of all that they depend on: the
file, the tokenizer, the length. So another weight or another file beside it costs nothing, and
several processes that ask for the same get the same; `cache_room` keeps all of them within
bounds. What comes out depends on the arguments alone, never on the number of workers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Literal, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yuren_core import __version__, paths
from yuren_core.errors import DataError, ImageError
from yuren_core.i18n import reason_of, tr
from yuren_core.model.tokenization import ChatTokenizer
from yuren_train.config import Source
from yuren_train.data.cache_room import PICTURES, TOKENIZED, make_room, writing
from yuren_train.data.encoding import EncoderSpec
from yuren_train.data.parallel import ordered_map, usable_cores
from yuren_train.data.report import Report
from yuren_train.data.samples import Sample
from yuren_train.data.sources import read_chunks
from yuren_train.data.token_files import (
    Chunk,
    ChunkEncoder,
    TokenFile,
    pictures_of,
    write_token_file,
)

__all__ = ["Report", "Sample", "TokenizedRows", "tokenize"]

Progress = Callable[[int, int], None]
"""Told how many bytes have been read, and of how many."""

_FORMAT = 3  # of what is on disk; raised when the same arguments begin to give other ids
_BYTES_PER_WORKER = 2 << 20  # below that, a process takes longer to start than it saves


class TokenizedRows(Sequence[Sample]):
    """Samples by place, read from disk as they are asked for.

    Args:
        files: the ids of each data file.
        chosen: which rows of all files together, in order; a row may come several times.
        report: what became of the files' rows.

    Attributes:
        lengths: tokens of each sample, (samples,) int32; the next two likewise.
        label_counts: places that something is learned at.
        image_counts: pictures.
        report: as given.
    """

    def __init__(
        self, files: Sequence[TokenFile], chosen: NDArray[np.int64], report: Report
    ) -> None:
        self._files = files
        self._chosen = chosen
        self._starts = np.cumsum([0, *(len(file) for file in files)])
        self.report = report
        self.lengths = np.concatenate([file.lengths for file in files])[chosen]
        self.label_counts = np.concatenate([file.label_counts for file in files])[chosen]
        self.image_counts = np.concatenate([file.image_counts for file in files])[chosen]

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, place: int) -> Sample: ...
    @overload
    def __getitem__(self, place: slice) -> list[Sample]: ...
    def __getitem__(self, place: int | slice) -> Sample | list[Sample]:
        """The sample at a place; an IndexError behind the last."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        number = int(self._chosen[place])
        at = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._files[at].sample(number - int(self._starts[at]))

    def split(self, fraction: float, *, seed: int) -> tuple[TokenizedRows, TokenizedRows]:
        """Part the rows in two: to learn from, and to measure on.

        A row that comes several times lies wholly on one side; each comes once in the second.

        Args:
            fraction: of the rows, for the second part; at least one row, where it is not 0.
            seed: fixes which.
        """
        rows = np.unique(self._chosen)
        count = min(len(rows) - 1, max(1, round(fraction * len(rows)))) if fraction else 0
        measured = np.sort(np.random.default_rng(seed).permutation(rows)[:count])
        learned = self._chosen[~np.isin(self._chosen, measured)]
        return self._of(learned), self._of(measured)

    def with_pictures(self) -> TokenizedRows:
        """The rows that have some, in the same order."""
        return self._of(self._chosen[self.image_counts > 0])

    def pictures(self, places: Iterable[int]) -> dict[str, str]:
        """Paths by sha256 of all pictures at some places."""
        return {
            image.sha256: image.path
            for place in places
            if self.image_counts[place]
            for image in self[place].images
        }

    def digest(self) -> str:
        """A hash of what is learned, row by row: ids, labels, and which pictures."""
        fingerprints = np.concatenate([file.fingerprints for file in self._files])
        digest = hashlib.sha256(fingerprints[self._chosen].tobytes())
        seeing = self._chosen[self.image_counts > 0]
        if len(seeing):
            hashes = pa.chunked_array(
                [chunk for file in self._files for chunk in file.picture_hashes().chunks]
            )
            for chunk in hashes.take(pa.array(seeing)).chunks:
                digest.update("".join(chunk.flatten().to_pylist()).encode())
        return digest.hexdigest()[:16]

    def _of(self, chosen: NDArray[np.int64]) -> TokenizedRows:
        return TokenizedRows(self._files, chosen, self.report)


def tokenize(
    sources: Sequence[Source],
    *,
    tokenizer: ChatTokenizer,
    max_length: int,
    images_dir: Path | None = None,
    workers: int = 0,
    on_bad_image: Literal["stop", "skip"] = "stop",
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> TokenizedRows:
    """Tokenize files, or read what was tokenized before.

    Args:
        sources: the files and how often their rows count.
        tokenizer: of the model; with its patches of a picture.
        max_length: tokens that a sample may have.
        images_dir: what pictures' paths are relative to; None is each file's own directory.
        workers: processes; 0 takes all cores where there is enough to do.
        on_bad_image: stop at a picture that is missing or damaged, or leave its row out.
        cache_dir: where the ids lie; None is yuren's cache.
        progress: told what has been read.

    Returns:
        The samples, and in `report` what became of all rows.

    Raises:
        DataError: a file cannot be read, or nothing can be learned from any.
        ImageError: a bad picture, where that stops.
        StorageError: the ids cannot be written.
    """
    cache = cache_dir or paths.cache_dir() / "data"
    spec = EncoderSpec.of(
        tokenizer, max_length=max_length, images_dir=images_dir, store=cache / PICTURES
    )
    files: list[TokenFile] = []
    total = sum(_size(source.path) for source in sources)
    done = 0

    def on_read(size: int) -> None:
        nonlocal done
        done += size
        if progress:
            progress(min(done, total), total)

    for source in sources:
        directory = cache / TOKENIZED / _key(source.path, spec)
        if (file := _kept(directory, source.path)) is None:
            count = workers or min(usable_cores(), 1 + _size(source.path) // _BYTES_PER_WORKER)
            pieces = read_chunks(source.path, on_read=on_read)
            chunks: Iterable[Chunk] = ordered_map(ChunkEncoder, (spec,), pieces, workers=count)
            if on_bad_image == "stop":
                chunks = _stopping(chunks)
            with writing(cache):
                write_token_file(directory, chunks)
                file = TokenFile(directory, source.path)
            make_room(cache, pictures_of)
        else:
            on_read(_size(source.path))
        _refuse_bad_pictures(file.report, on_bad_image)
        files.append(file)
    report = Report()
    for file in files:
        report = report.plus(file.report)
    if not report.rows:
        names = ", ".join(str(source.path) for source in sources)
        first = "".join(f"\n{fault}" for fault in report.faults[:3])
        raise DataError(
            tr("error.data.no_rows", files=names) + first, tr("error.data.no_rows_hint")
        )
    chosen = _weighted(sources, files)
    if not len(chosen):
        raise DataError(tr("error.data.weights"), tr("error.data.weights_hint"))
    return TokenizedRows(files, chosen, report)


def _size(path: Path) -> int:
    with _reading(path):
        return path.stat().st_size


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            tr("error.data.unreadable", path=path, reason=reason_of(error)),
            tr("error.data.unreadable_hint"),
        ) from error


def _key(path: Path, spec: EncoderSpec) -> str:
    """The hash of all that a file's ids depend on."""
    assert spec.tokenizer is not None
    with _reading(path), path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    tokenizer = hashlib.sha256(spec.tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
    base = os.path.abspath(spec.images_dir or path.parent)  # noqa: PTH100
    depends_on = [
        _FORMAT,
        __version__,
        content,
        tokenizer,
        spec.image_tokens,
        spec.max_length,
        base,
    ]
    return hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:32]


def _kept(directory: Path, path: Path) -> TokenFile | None:
    """What was tokenized before, unless it is damaged or its pictures have changed."""
    try:
        file = TokenFile(directory, path)
    except (OSError, ValueError, KeyError):
        return None
    return file if file.is_current() else None


def _stopping(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        _refuse_bad_pictures(chunk.report, "stop")
        yield chunk


def _refuse_bad_pictures(report: Report, on_bad_image: Literal["stop", "skip"]) -> None:
    if on_bad_image == "skip" or "bad_image" not in report.fault_counts:
        return
    kept = (str(fault) for fault in report.faults if fault.code == "bad_image")
    message = next(kept, tr("data.fault.bad_image"))  # among very many faults it is not kept
    raise ImageError(message, tr("error.data.bad_image_hint"))


def _weighted(sources: Sequence[Source], files: Sequence[TokenFile]) -> NDArray[np.int64]:
    """Rows by their sources' weights: each as often as the whole part, evenly chosen ones more."""
    parts = []
    start = 0
    for source, file in zip(sources, files, strict=True):
        rows = np.arange(len(file))
        weight = Fraction(source.weight).limit_denominator(1000)
        over, under = weight.numerator, weight.denominator
        parts.append(start + np.repeat(rows, (rows + 1) * over // under - rows * over // under))
        start += len(file)
    return np.concatenate(parts)
