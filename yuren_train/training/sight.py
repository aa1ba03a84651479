# SPDX-License-Identifier: Apache-2.0
"""The pictures of a run: opened by the thread that makes batches, seen by the tower before a step.

The tower is no part of what learns: it runs without gradients, before the engine gets a batch,
so that DeepSpeed never knows of it. What it makes is rounded to bf16 whether it is kept on disk
or not, so that a cache changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from yuren_core.images import open_rgb
from yuren_core.messages import ImagePart
from yuren_core.model.vision_tower import VisionTower
from yuren_train.config import TrainConfig
from yuren_train.data.collator import Batch, collate
from yuren_train.data.samples import Sample
from yuren_train.training.features import FeatureCache
from yuren_train.training.processes import Processes

_AT_ONCE = 32
"""Pictures that the tower computes together."""


class Sight:
    """How the batches of a run get their pictures.

    Args:
        tower: of the model; it is brought to the device and into the dtype of the run. None for
            a model that cannot see.
        config: of the run.
        processes: who this process is.
    """

    def __init__(
        self, tower: VisionTower | None, config: TrainConfig, processes: Processes
    ) -> None:
        dtype = torch.bfloat16 if config.dtype == "bf16" else torch.float32
        self._tower = None if tower is None else tower.to(processes.device, dtype)
        self._cache: FeatureCache | None = None
        if self._tower is not None and config.cache_features is not None:
            self._cache = FeatureCache(config.cache_features, self._tower)
        self._processes = processes

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Samples to a batch, on the CPU; may be called by another thread.

        Raises:
            ImageError: a picture has gone or is damaged since it was tokenized.
            StorageError: what was kept of it has.
        """
        if self._tower is None:
            return collate(samples)
        if self._cache is not None:
            return collate(samples, read_features=self._cache.read)
        return collate(samples, preprocess=self._tower.preprocess)

    def see(self, batch: Batch) -> Batch:
        """The batch with the features of its pictures in place of their pixels."""
        if batch.pixel_values is None or self._tower is None:
            return batch
        distinct = features_of(self._tower, batch.pixel_values)  # (U, P, C)
        places = {key: place for place, key in enumerate(dict.fromkeys(batch.image_keys))}
        index = torch.tensor([places[key] for key in batch.image_keys], device=distinct.device)
        return replace(batch, pixel_values=None, image_features=distinct[index])

    def keep(
        self, pictures: Mapping[str, str], told: Callable[[int, int], None] | None = None
    ) -> None:
        """Let the tower see all pictures that are not kept yet; called by every rank.

        Args:
            pictures: paths by sha256.
            told: how many groups of this rank's pictures are done, and of how many.

        Raises:
            ImageError, StorageError: as `collate`.
        """
        if self._cache is None or self._tower is None:
            return
        keys = sorted(pictures)
        # Groups are the same after a restart: sums over a batch depend on its size.
        groups = [keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE)]
        me = self._processes
        # All share the work; then, where nodes do not share the disk, one of each node has more.
        for mine in (
            groups[me.rank :: me.world],
            groups if me.local_rank == 0 and not me.is_first else [],
        ):
            for done, group in enumerate(mine, start=1):
                if not self._cache.has(group):
                    parts = [ImagePart(pictures[key], key) for key in group]
                    for key, features in zip(group, look_at(self._tower, parts), strict=True):
                        self._cache.write(key, features)
                if told is not None:
                    told(done, len(mine))
            me.wait()


def look_at(tower: VisionTower, images: Sequence[ImagePart]) -> Tensor:
    """Pictures to features, (K, P, C) bf16, on the tower's device.

    Raises:
        ImageError: a picture cannot be opened.
    """
    return features_of(tower, tower.preprocess([open_rgb(image.path) for image in images]))


@torch.no_grad()
def features_of(tower: VisionTower, pixel_values: Tensor) -> Tensor:
    """(K, 3, H, W) to (K, P, C) bf16, on the tower's device."""
    weight = next(tower.parameters())
    parts = [tower(part.to(weight)) for part in pixel_values.split(_AT_ONCE)]
    return torch.cat(parts).to(torch.bfloat16)
