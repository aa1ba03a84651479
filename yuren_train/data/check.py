# SPDX-License-Identifier: Apache-2.0
"""What is in data files, and what training would make of it: counted as a stream.

Every row goes through the code that training uses. Of a row that has been read, 24 bytes of
numbers stay in memory; of the faults, the first thousand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yuren_train.data.encoding import EncoderSpec
from yuren_train.data.faults import Fault, Place
from yuren_train.data.packing import packing_efficiency, plan_epoch
from yuren_train.data.parallel import ordered_map, usable_cores
from yuren_train.data.row_checker import Kind, Numbers, RowChecker, Seen
from yuren_train.data.sources import read_chunks

FAULTS_KEPT = 1000
EXAMPLES_KEPT = 5

_PACKED_AT_MOST = 200_000  # samples that packing is tried on; the outcome is the same beyond
_BYTES_PER_WORKER = 2 << 20  # below that, a process takes longer to start than it saves


@dataclass(frozen=True, slots=True)
class Packing:
    """What packing makes of the samples.

    Attributes:
        bins: rows of `max_length` tokens.
        efficiency: the share of them that is filled.
        unpacked: the same share with a row for each sample.
    """

    bins: int
    efficiency: float
    unpacked: float


@dataclass(frozen=True, slots=True)
class CheckResult:
    """All that is to be said about some files.

    Attributes:
        files: that were read.
        counts: see `row_checker.Kind`.
        faults: the first of what training would leave out; `counts` has the number of all.
        controls: the first control strings in texts.
        replaced: the first rows in which a character was lost.
        duplicates: rows that say what an earlier one said.
        duplicate_places: the first of them, each with the earlier one.
        max_length: tokens that a row may have.
        uncut: tokens of each usable row; the next two likewise. Empty without a tokenizer.
        kept: what is left within the length, 0 where nothing can be learned.
        learned: of those, what is learned.
        packing: None without a tokenizer, or without samples.
    """

    files: tuple[Path, ...]
    counts: Counter[tuple[Kind, str]]
    faults: tuple[Fault, ...]
    controls: tuple[tuple[Place, str], ...]
    replaced: tuple[Place, ...]
    duplicates: int
    duplicate_places: tuple[tuple[Place, Place], ...]
    max_length: int
    uncut: NDArray[np.int32]
    kept: NDArray[np.int32]
    learned: NDArray[np.int32]
    packing: Packing | None

    def count(self, kind: Kind) -> int:
        """How many there are of a kind, whatever the value."""
        return sum(self.by_value(kind).values())

    def by_value(self, kind: Kind) -> dict[str, int]:
        """How many there are of each value of a kind, the most frequent first."""
        found = Counter({value: n for (one, value), n in self.counts.items() if one == kind and n})
        return dict(found.most_common())


def check_files(
    paths: Sequence[Path],
    spec: EncoderSpec,
    *,
    workers: int = 0,
    on_read: Callable[[int], None] | None = None,
) -> CheckResult:
    """Read files to their end and count what is in them.

    Args:
        paths: data files of any accepted format.
        spec: the tokenizer and the length.
        workers: processes; 0 takes all cores where there is enough to do.
        on_read: told the number of bytes of each piece that is read.

    Raises:
        DataError: a file cannot be opened.
    """
    total = Seen()
    of_files: list[Numbers] = []
    for path in paths:
        size = path.stat().st_size if path.exists() else 0
        count = workers or min(usable_cores(), 1 + size // _BYTES_PER_WORKER)
        pieces = read_chunks(path, on_read=on_read)
        parts = [np.empty(0, total.numbers.dtype)]
        for seen in ordered_map(RowChecker, (spec,), pieces, workers=count):
            total.counts.update(seen.counts)
            total.faults = (total.faults + seen.faults)[:FAULTS_KEPT]
            total.controls = (total.controls + seen.controls)[:EXAMPLES_KEPT]
            total.replaced = (total.replaced + seen.replaced)[:EXAMPLES_KEPT]
            parts.append(seen.numbers)
        of_files.append(np.concatenate(parts))
    numbers = np.concatenate(of_files)
    duplicates, places = _duplicates(paths, of_files)
    has_tokens = spec.tokenizer is not None
    kept = numbers["kept"] if has_tokens else numbers["kept"][:0]
    return CheckResult(
        files=tuple(paths),
        counts=total.counts,
        faults=tuple(total.faults),
        controls=tuple(total.controls),
        replaced=tuple(total.replaced),
        duplicates=duplicates,
        duplicate_places=places,
        max_length=spec.max_length,
        uncut=numbers["uncut"] if has_tokens else kept,
        kept=kept,
        learned=numbers["learned"] if has_tokens else kept,
        packing=_packing(kept[kept > 0], spec.max_length),
    )


def _duplicates(
    paths: Sequence[Path], of_files: Sequence[Numbers]
) -> tuple[int, tuple[tuple[Place, Place], ...]]:
    keys = np.concatenate([numbers["key"] for numbers in of_files])
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[which] != np.arange(len(keys)))
    starts = np.cumsum([0, *map(len, of_files)])

    def place(row: int) -> Place:
        file = int(np.searchsorted(starts, row, side="right")) - 1
        line = int(of_files[file]["line"][row - starts[file]])
        return Place(paths[file], line if line > 0 else None, abs(line))

    some = [(place(int(row)), place(int(first[which[row]]))) for row in again[:EXAMPLES_KEPT]]
    return len(again), tuple(some)


def _packing(lengths: NDArray[np.int32], max_length: int) -> Packing | None:
    if not len(lengths):
        return None
    tried = lengths[:_PACKED_AT_MOST]
    steps = plan_epoch(
        tried,
        order="packed",
        max_length=max_length,
        batch_size=1,
        micro_batches=1,
        seed=0,
        epoch=0,
    )
    efficiency = packing_efficiency(steps, tried, max_length)
    bins = round(len(steps) * lengths.sum(dtype=np.int64) / tried.sum(dtype=np.int64))
    return Packing(bins, efficiency, float(lengths.mean()) / max_length)
