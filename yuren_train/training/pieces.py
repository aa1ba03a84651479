# SPDX-License-Identifier: Apache-2.0
"""A batch in pieces that a CPU computes one after the other.

A CPU gains nothing from a large batch: beyond a thousand tokens its products are as fast as they
become, and what is kept for the backward pass only takes memory. The gradients are the same, up
to the order of the sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from yuren_train.data.collator import Batch


def pieces(batch: Batch, tokens: int) -> Iterator[Batch]:
    """Part a batch between samples.

    Args:
        batch: to be parted; the tower has seen its pictures.
        tokens: of a piece, at most; a longer sample is a piece of its own.
    """
    bounds = batch.cu_seqlens.tolist()
    if bounds[-1] <= tokens:
        yield batch
        return
    first = 0
    for last in range(1, len(bounds)):
        if last + 1 == len(bounds) or bounds[last + 1] - bounds[first] > tokens:
            yield _part(batch, first, last)
            first = last


def _part(batch: Batch, first: int, last: int) -> Batch:
    starts = batch.cu_seqlens[first : last + 1]
    place = slice(int(starts[0]), int(starts[-1]))
    before, within = sum(batch.image_counts[:first]), sum(batch.image_counts[first:last])
    pictures = slice(before, before + within)
    features = batch.image_features
    return replace(
        batch,
        input_ids=batch.input_ids[:, place],
        labels=batch.labels[:, place],
        position_ids=batch.position_ids[:, place],
        cu_seqlens=starts - starts[0],
        max_seqlen=int(starts.diff().max()),
        places=batch.places[first:last],
        image_counts=batch.image_counts[first:last],
        image_keys=batch.image_keys[pictures],
        image_features=None if features is None or not within else features[pictures],
    )
