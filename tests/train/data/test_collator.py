# SPDX-License-Identifier: Apache-2.0
"""Samples side by side: no padding, labels shifted within each, pictures in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL.Image import Image

from tests.core.pictures import quarters, write
from yuren_core.errors import ImageError
from yuren_core.images import image_part
from yuren_core.messages import ImagePart
from yuren_core.model.tokenization import IGNORE_INDEX
from yuren_train.data.collator import collate
from yuren_train.data.faults import Place
from yuren_train.data.samples import Sample


def sample(ids: Sequence[int], learned: Sequence[bool], *images: ImagePart, row: int = 1) -> Sample:
    input_ids = np.array(ids, np.int32)
    labels = np.where(learned, input_ids, IGNORE_INDEX).astype(np.int64)
    return Sample(input_ids, labels, images, Place(Path("rows.json"), row, row))


samples = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=9).map(
        lambda tokens: sample(*zip(*tokens, strict=True))
    ),
    min_size=1,
    max_size=6,
)


def sizes_of(images: Sequence[Image]) -> torch.Tensor:
    return torch.tensor([image.size for image in images], dtype=torch.float32)


@given(samples)
def test_each_sample_is_whole_and_predicts_only_itself(samples: list[Sample]) -> None:
    batch = collate(samples)
    bounds = batch.cu_seqlens.tolist()
    assert bounds[0] == 0
    assert bounds[-1] == batch.tokens == sum(len(one.input_ids) for one in samples)
    for start, end, one in zip(bounds[:-1], bounds[1:], samples, strict=True):
        assert batch.input_ids[0, start:end].tolist() == one.input_ids.tolist()
        assert batch.position_ids[0, start:end].tolist() == list(range(end - start))
        predicted = batch.labels[0, start:end].tolist()
        assert predicted == [*one.labels[1:].tolist(), IGNORE_INDEX]
    assert batch.max_seqlen == max(len(one.input_ids) for one in samples)
    assert batch.label_tokens == sum(int((one.labels[1:] >= 0).sum()) for one in samples)
    assert batch.cu_seqlens.dtype == torch.int32
    for tensor in (batch.input_ids, batch.labels, batch.position_ids):
        assert tensor.dtype == torch.int64
        assert tensor.shape == (1, batch.tokens)


def test_places_follow_the_samples() -> None:
    batch = collate([sample([1], [True], row=3), sample([1, 2], [True, True], row=1)])
    assert [place.row for place in batch.places] == [3, 1]


def test_pictures_come_in_the_order_of_their_patches(tmp_path: Path) -> None:
    parts = [
        image_part(write(tmp_path / f"{width}.png", quarters(width, 4))) for width in (6, 8, 10)
    ]
    samples = [
        sample([1], [True], parts[2], parts[0]),
        sample([1], [True]),
        sample([1], [True], parts[1]),
    ]
    batch = collate(samples, preprocess=sizes_of)
    assert batch.pixel_values is not None
    assert batch.pixel_values.tolist() == [[10, 4], [6, 4], [8, 4]]
    assert batch.image_keys == (parts[2].sha256, parts[0].sha256, parts[1].sha256)


def test_text_has_no_pixels_and_cached_features_need_none(tmp_path: Path) -> None:
    gone = ImagePart(str(tmp_path / "gone.png"), "0" * 64)
    assert collate([sample([1], [True])], preprocess=sizes_of).pixel_values is None
    batch = collate([sample([1], [True], gone)])
    assert (batch.pixel_values, batch.image_keys) == (None, (gone.sha256,))
    kept = collate([sample([1], [True], gone)], read_features=lambda keys: torch.ones(len(keys)))
    assert kept.image_features is not None
    assert kept.image_features.tolist() == [1]
    with pytest.raises(ImageError, match="gone"):
        collate([sample([1], [True], gone)], preprocess=sizes_of)


def test_a_picture_that_comes_twice_is_opened_once(tmp_path: Path) -> None:
    parts = [image_part(write(tmp_path / f"{width}.png", quarters(width, 4))) for width in (6, 8)]
    batch = collate(
        [sample([1], [True], parts[1], parts[0]), sample([1], [True], parts[1])],
        preprocess=sizes_of,
    )
    assert batch.pixel_values is not None
    assert batch.pixel_values.tolist() == [[8, 4], [6, 4]]
    assert batch.image_keys == (parts[1].sha256, parts[0].sha256, parts[1].sha256)
    assert batch.image_counts == (2, 1)


def test_a_batch_moves_with_all_its_tensors(tmp_path: Path) -> None:
    part = image_part(write(tmp_path / "a.png", quarters()))
    moved = collate([sample([1, 2], [True, True], part)], preprocess=sizes_of).to("meta")
    tensors = (moved.input_ids, moved.labels, moved.position_ids, moved.cu_seqlens)
    assert moved.pixel_values is not None
    assert {tensor.device.type for tensor in (*tensors, moved.pixel_values)} == {"meta"}
    assert moved.image_keys == (part.sha256,)
