# SPDX-License-Identifier: Apache-2.0
"""Features on disk: whole or absent, each tower's own, and never taken where they are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tiny import tiny_tower
from yuren_core.errors import StorageError
from yuren_core.model.vision_tower import VisionTower
from yuren_train.training.features import FeatureCache, tower_hash

KEYS = ("a" * 64, "b" * 64)


@pytest.fixture
def tower(tmp_path: Path) -> VisionTower:
    return tiny_tower(directory=tmp_path / "tower")


def some_features(tower: VisionTower) -> torch.Tensor:
    return torch.randn(tower.num_patches, tower.hidden_size).bfloat16()


def test_what_is_written_is_read_in_the_order_that_is_asked_for(
    tower: VisionTower, tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path / "kept", tower)
    written = {key: some_features(tower) for key in KEYS}
    for key, features in written.items():
        assert not cache.has([key])
        cache.write(key, features)
    assert cache.has(KEYS)
    read = FeatureCache(tmp_path / "kept", tower).read([KEYS[1], KEYS[0], KEYS[1]])
    assert torch.equal(read, torch.stack([written[key] for key in (KEYS[1], KEYS[0], KEYS[1])]))


def test_a_file_that_is_cut_off_is_not_there_and_is_named(
    tower: VisionTower, tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path / "kept", tower)
    cache.write(KEYS[0], some_features(tower))
    (file,) = (tmp_path / "kept").rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-2])
    assert not cache.has([KEYS[0]])
    with pytest.raises(StorageError, match=KEYS[0]):
        cache.read([KEYS[0]])


def test_another_tower_layer_or_precision_has_another_hash(
    tower: VisionTower, tmp_path: Path
) -> None:
    again = VisionTower.from_directory(tmp_path / "tower")
    assert tower_hash(again) == tower_hash(tower)
    others = [
        VisionTower.from_directory(tmp_path / "tower", select_layer=-1),
        VisionTower.from_directory(tmp_path / "tower", dtype=torch.bfloat16),
        tiny_tower(seed=1, directory=tmp_path / "other"),
    ]
    assert len({tower_hash(one) for one in (tower, *others)}) == 4
