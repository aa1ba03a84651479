# SPDX-License-Identifier: Apache-2.0
"""What a vision tower has made of pictures, kept on disk over epochs and runs.

    DIR/<hash of the tower>/<two digits>/<sha256 of the picture>.safetensors    (P, C) bf16

The tower's hash covers its weights, the layer that is read and the preprocessing, so that
another tower never finds these. A file is whole or absent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from yuren_core.errors import StorageError
from yuren_core.i18n import tr
from yuren_core.model.vision_tower import VisionTower
from yuren_core.paths import atomic_write

_NAME = "features"
_HASH_LENGTH = 16


class FeatureCache:
    """The features of one tower in a directory.

    Args:
        directory: for all towers.
        tower: in the dtype that it computes in.
    """

    def __init__(self, directory: Path, tower: VisionTower) -> None:
        self._directory = directory / tower_hash(tower)
        nothing = torch.zeros(tower.num_patches, tower.hidden_size, dtype=torch.bfloat16)
        self._bytes = len(save({_NAME: nothing}))

    def has(self, keys: Iterable[str]) -> bool:
        """Whether all of these pictures are there."""
        return all(self._is_whole(self._file(key)) for key in keys)

    def read(self, keys: Sequence[str]) -> Tensor:
        """The features of some pictures, (K, P, C) bf16, on the CPU.

        Raises:
            StorageError: one is not there any more, or damaged.
        """
        return torch.stack([self._read(self._file(key)) for key in keys])

    def write(self, key: str, features: Tensor) -> None:
        """Keep what the tower has made of a picture: (P, C) bf16.

        Raises:
            StorageError: it cannot be written.
        """
        atomic_write(self._file(key), save({_NAME: features.cpu().contiguous()}))

    def _file(self, key: str) -> Path:
        return self._directory / key[:2] / f"{key}.safetensors"

    def _is_whole(self, file: Path) -> bool:
        try:
            return file.stat().st_size == self._bytes
        except OSError:
            return False

    def _read(self, file: Path) -> Tensor:
        try:
            return load_file(file)[_NAME]
        except (OSError, SafetensorError, KeyError) as error:
            raise StorageError(
                tr("error.features.damaged", path=file), tr("error.features.damaged_hint")
            ) from error


def tower_hash(tower: VisionTower) -> str:
    """What tells the outputs of one tower from another's."""
    reads = [tower.select_layer, *tower.image_size, tower.config.get("preprocess_cfg")]
    digest = sha256(json.dumps(reads, sort_keys=True).encode())
    for name, tensor in sorted(tower.visual.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(raw.numpy())
    return digest.hexdigest()[:_HASH_LENGTH]
