# SPDX-License-Identifier: Apache-2.0
"""A batch in pieces is the batch: every sample once, whole, in order."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.train.training.test_packed_attention import SIZES, make_samples
from yuren_train.data.collator import collate
from yuren_train.training.pieces import pieces


@pytest.mark.parametrize("tokens", [1, 20, 41, 60, 1000])
def test_every_sample_comes_once_and_whole(tokens: int) -> None:
    samples = make_samples()
    batch = collate(samples)
    parts = list(pieces(batch, tokens))
    assert [place for part in parts for place in part.places] == list(batch.places)
    sizes = [size for part in parts for size in part.cu_seqlens.diff().tolist()]
    assert sizes == list(SIZES)
    for name in ("input_ids", "labels", "position_ids"):
        joined = torch.cat([getattr(part, name) for part in parts], dim=1)
        assert torch.equal(joined, getattr(batch, name))
    for part in parts:
        assert part.tokens <= tokens or len(part.places) == 1
        assert part.cu_seqlens[0] == 0
        assert part.cu_seqlens[-1] == part.tokens
        assert part.max_seqlen == part.cu_seqlens.diff().max()


@pytest.mark.parametrize("tokens", [1, 41, 1000])
def test_pictures_stay_with_their_samples(tokens: int) -> None:
    counts = [place % 3 for place in range(len(SIZES))]
    keys = tuple(map(str, range(sum(counts))))
    features = torch.arange(float(len(keys))).reshape(-1, 1, 1)  # (K, 1, 1)
    batch = replace(
        collate(make_samples()),
        image_counts=tuple(counts),
        image_keys=keys,
        image_features=features,
    )
    parts = list(pieces(batch, tokens))
    assert [count for part in parts for count in part.image_counts] == counts
    assert [key for part in parts for key in part.image_keys] == list(keys)
    for part in parts:
        assert len(part.image_keys) == sum(part.image_counts)
        if part.image_keys:
            assert part.image_features is not None
            assert part.image_features.flatten().tolist() == [float(k) for k in part.image_keys]
        else:
            assert part.image_features is None
