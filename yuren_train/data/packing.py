# SPDX-License-Identifier: Apache-2.0
"""Which samples make which step: a plan of an epoch that depends on nothing but its arguments.

The samples of a step are fixed by the lengths, the order, `max_length`, the seed, the epoch and
the global batch, which is `batch_size * micro_batches`; how that product is split decides only
who computes which sample. So runs on one process, on several, and with gradient accumulation
learn from the same samples at the same step. Every sample comes once an epoch: the last step may
be smaller, and nothing is repeated to fill it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yuren_train.config import Order

_PACKING_WINDOW = 8192  # samples that are packed together; beyond it, fuller bins are rare
_GROUPING_WINDOW = 50  # steps whose samples are sorted by length together


@dataclass(frozen=True, slots=True)
class Step:
    """The samples of one optimizer step.

    Attributes:
        micro_batches: what one device computes in one forward pass: places of samples; from the
            one with the most tokens to the one with the fewest, so that neighbours, which run
            at the same time on several devices, take about as long. One may be empty.
        rows: bins (packed) or samples that were dealt out.
    """

    micro_batches: tuple[tuple[int, ...], ...]
    rows: int

    @property
    def samples(self) -> tuple[int, ...]:
        """All of the step's samples, sorted."""
        return tuple(sorted(place for batch in self.micro_batches for place in batch))


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is never parted: one sample, or the samples of one bin."""

    samples: tuple[int, ...]
    tokens: int


def plan_epoch(
    lengths: NDArray[np.int32],
    *,
    order: Order,
    max_length: int,
    batch_size: int,
    micro_batches: int,
    seed: int,
    epoch: int,
    image_counts: NDArray[np.int32] | None = None,
) -> list[Step]:
    """Plan one pass over the samples.

    Args:
        lengths: tokens of each sample, (samples,), none above `max_length`.
        order: "packed" fills bins of `max_length` tokens, best fit decreasing, within windows
            of shuffled samples; "grouped" puts samples of like length into one step, those with
            pictures apart from those without; "shuffled" does neither.
        max_length: tokens of a bin.
        batch_size: bins (packed) or samples of one micro-batch, at most.
        micro_batches: of one step: devices times gradient accumulation.
        seed: with `epoch`, fixes the order.
        epoch: counted from 0.
        image_counts: pictures of each sample, (samples,); None where there are none.

    Returns:
        The steps, in order.
    """
    if len(lengths) and int(lengths.max()) > max_length:
        raise ValueError(f"a sample of {lengths.max()} tokens, and {max_length} is the most")
    random = np.random.default_rng((seed, epoch))
    shuffled = random.permutation(len(lengths))
    global_batch = batch_size * micro_batches
    match order:
        case "packed":
            units = [
                unit
                for start in range(0, len(shuffled), _PACKING_WINDOW)
                for unit in _pack(shuffled[start : start + _PACKING_WINDOW], lengths, max_length)
            ]
            units = [units[place] for place in random.permutation(len(units))]
        case "grouped":
            window = global_batch * _GROUPING_WINDOW
            starts = range(0, len(shuffled), window)
            units = [
                unit
                for start in starts
                for unit in _singly(
                    _by_kind(shuffled[start : start + window], lengths, image_counts), lengths
                )
            ]
        case "shuffled":
            units = _singly(shuffled, lengths)
    steps = [units[start : start + global_batch] for start in range(0, len(units), global_batch)]
    if order == "grouped" and steps:
        # The step that may be smaller stays the last.
        steps = [steps[place] for place in random.permutation(len(steps) - 1)] + steps[-1:]
    return [Step(_balance(step, batch_size, micro_batches), len(step)) for step in steps]


def packing_efficiency(steps: Iterable[Step], lengths: NDArray[np.int32], max_length: int) -> float:
    """The share of all rows, had each `max_length` tokens, that is filled; 1.0 without rows."""
    tokens, room = 0, 0
    for step in steps:
        tokens += int(lengths[list(step.samples)].sum())
        room += step.rows * max_length
    return tokens / room if room else 1.0


def _singly(places: NDArray[np.int64], lengths: NDArray[np.int32]) -> list[_Unit]:
    return [_Unit((int(place),), int(lengths[place])) for place in places]


def _by_length(places: NDArray[np.int64], lengths: NDArray[np.int32]) -> NDArray[np.int64]:
    return places[np.argsort(-lengths[places].astype(np.int64), kind="stable")]


def _by_kind(
    places: NDArray[np.int64],
    lengths: NDArray[np.int32],
    image_counts: NDArray[np.int32] | None,
) -> NDArray[np.int64]:
    """Those with pictures first; each kind by length."""
    ordered = _by_length(places, lengths)
    if image_counts is None:
        return ordered
    return ordered[np.argsort(image_counts[ordered] == 0, kind="stable")]


def _pack(places: NDArray[np.int64], lengths: NDArray[np.int32], max_length: int) -> list[_Unit]:
    """Best fit decreasing: each sample into the fullest bin that has room for it."""
    bins: list[list[int]] = []
    with_room: dict[int, list[int]] = defaultdict(list)  # free tokens -> bins
    rooms: list[int] = []  # the keys of `with_room`, sorted
    for place in _by_length(places, lengths):
        size = int(lengths[place])
        at = bisect_left(rooms, size)
        if at == len(rooms):
            bins.append([int(place)])
            number, free = len(bins) - 1, max_length - size
        else:
            room = rooms[at]
            number, free = with_room[room].pop(), room - size
            bins[number].append(int(place))
            if not with_room[room]:
                del rooms[at]
        if not with_room[free]:
            insort(rooms, free)
        with_room[free].append(number)
    return [_Unit(tuple(bin_), int(lengths[bin_].sum())) for bin_ in bins]


def _balance(
    units: Sequence[_Unit], batch_size: int, micro_batches: int
) -> tuple[tuple[int, ...], ...]:
    """Deal units out, largest first, each to the micro-batch that has the fewest tokens."""
    batches: list[list[_Unit]] = [[] for _ in range(micro_batches)]
    tokens = [0] * micro_batches
    for unit in sorted(units, key=lambda unit: -unit.tokens):
        free = [place for place in range(micro_batches) if len(batches[place]) < batch_size]
        at = min(free, key=lambda place: tokens[place])
        batches[at].append(unit)
        tokens[at] += unit.tokens
    largest_first = sorted(range(micro_batches), key=lambda place: -tokens[place])
    return tuple(
        tuple(sample for unit in batches[place] for sample in unit.samples)
        for place in largest_first
    )
