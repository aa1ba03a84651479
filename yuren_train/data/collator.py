# SPDX-License-Identifier: Apache-2.0
"""Samples to one batch without padding: all of them lie in one row, one behind the other.

`cu_seqlens` says where each begins; attention keeps them apart by it. Labels are shifted here,
once: the label at t is the id that the model has to predict there, and the last place of each
sample predicts nothing, so that no sample is asked for the first token of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from yuren_core.images import open_rgb
from yuren_core.model.tokenization import IGNORE_INDEX
from yuren_train.data.samples import Sample
from yuren_train.data.schema import Place

Preprocess = Callable[[Sequence[Image]], Tensor]
"""RGB pictures to `pixel_values` (U, 3, H, W): `VisionTower.preprocess`."""

ReadFeatures = Callable[[Sequence[str]], Tensor]
"""Hashes of pictures to what the tower made of them, (K, P, C)."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one forward pass computes: S samples of N tokens together, K pictures.

    Attributes:
        input_ids: (1, N) int64.
        labels: (1, N) int64, shifted: what is to be predicted at each place, or IGNORE_INDEX.
        position_ids: (1, N) int64, from 0 in each sample.
        cu_seqlens: (S + 1,) int32, where each sample begins; the last is N.
        max_seqlen: tokens of the longest sample.
        pixel_values: (U, 3, H, W) fp32, each distinct picture once, in the order of
            `image_keys`; None where the tower has nothing to do.
        image_keys: sha256 of each picture, in the order of their patches.
        places: where each sample's row stands.
        image_counts: pictures of each sample.
        image_features: (K, P, C), what the tower made of each picture; None where it has not
            seen them yet, or there are none.
    """

    input_ids: Tensor
    labels: Tensor
    position_ids: Tensor
    cu_seqlens: Tensor
    max_seqlen: int
    pixel_values: Tensor | None
    image_keys: tuple[str, ...]
    places: tuple[Place, ...]
    image_counts: tuple[int, ...]
    image_features: Tensor | None = None

    @property
    def tokens(self) -> int:
        """N."""
        return self.input_ids.shape[1]

    @property
    def label_tokens(self) -> int:
        """Places that something is learned at."""
        return int((self.labels != IGNORE_INDEX).sum())

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Self:
        """The same batch with its tensors on a device."""

        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=non_blocking)

        return replace(
            self,
            input_ids=self.input_ids.to(device, non_blocking=non_blocking),
            labels=self.labels.to(device, non_blocking=non_blocking),
            position_ids=self.position_ids.to(device, non_blocking=non_blocking),
            cu_seqlens=self.cu_seqlens.to(device, non_blocking=non_blocking),
            pixel_values=moved(self.pixel_values),
            image_features=moved(self.image_features),
        )


def collate(
    samples: Sequence[Sample],
    *,
    preprocess: Preprocess | None = None,
    read_features: ReadFeatures | None = None,
) -> Batch:
    """Lay samples side by side.

    Args:
        samples: at least one.
        preprocess: makes pictures ready for the tower; None leaves `pixel_values` out.
        read_features: finds what the tower has made of them before, in place of `preprocess`.

    Returns:
        The batch, on the CPU.

    Raises:
        ImageError: a picture has gone or is damaged since it was tokenized.
    """
    sizes = [len(sample.input_ids) for sample in samples]
    images = [image for sample in samples for image in sample.images]
    keys = tuple(image.sha256 for image in images)
    pixel_values = image_features = None
    if preprocess is not None and images:
        distinct = {image.sha256: image.path for image in images}
        pixel_values = preprocess([open_rgb(path) for path in distinct.values()])
    if read_features is not None and images:
        image_features = read_features(keys)
    shifted = [np.append(sample.labels[1:], IGNORE_INDEX) for sample in samples]
    return Batch(
        input_ids=_row([sample.input_ids for sample in samples]),
        labels=_row(shifted),
        position_ids=_row([np.arange(size) for size in sizes]),
        cu_seqlens=torch.tensor(np.cumsum([0, *sizes]), dtype=torch.int32),
        max_seqlen=max(sizes),
        pixel_values=pixel_values,
        image_keys=keys,
        places=tuple(sample.place for sample in samples),
        image_counts=tuple(len(sample.images) for sample in samples),
        image_features=image_features,
    )


def _row(arrays: Sequence[np.ndarray[tuple[int], np.dtype[np.integer]]]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays).astype(np.int64))[None]
