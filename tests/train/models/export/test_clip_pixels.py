# SPDX-License-Identifier: Apache-2.0
"""CLIPImageProcessor beside open_clip: where their pixels agree, and how far they do not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from tests.train.models.export.towers import SIZE, VIT, make_tower
from yuren_core.errors import ModelFormatError
from yuren_train.models.export.clip_pixels import image_processor, probe_picture

STD = [0.2, 0.25, 0.3]
NORMAL = {"mean": [0.4, 0.5, 0.6], "std": STD}


def apart(processor: Any, tower: Any, picture: Image.Image) -> float:
    """The largest difference of a pixel, in steps of 255."""
    theirs = processor(picture, return_tensors="pt")["pixel_values"][0]
    ours = tower.preprocess([picture])[0]
    assert theirs.shape == ours.shape
    return float(((theirs - ours).abs() * torch.tensor(STD).view(3, 1, 1) * 255).max())


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(64, 48), (48, 64), (SIZE, SIZE), (500, 333)])
def test_pixels_are_the_same_with_pillow_and_a_step_apart_without(
    mode: str, interpolation: str, size: tuple[int, int]
) -> None:
    settings = NORMAL | {"resize_mode": mode, "interpolation": interpolation}
    tower = make_tower(VIT, preprocess=settings)
    picture = probe_picture(tower).resize(size)
    processor = image_processor(tower)
    assert apart(processor, tower, picture) < 1.5
    pil = CLIPImageProcessorPil.from_dict(processor.to_dict())
    assert apart(pil, tower, picture) < 0.01


def test_the_longest_side_counts_and_the_rest_is_black() -> None:
    tower = make_tower(VIT, preprocess=NORMAL | {"resize_mode": "longest"})
    picture = probe_picture(tower).resize((64, 32))
    assert apart(image_processor(tower), tower, picture) < 1.5


def test_another_colour_than_black_is_refused() -> None:
    settings = {"resize_mode": "longest", "fill_color": 255}
    with pytest.raises(ModelFormatError, match="255"):
        image_processor(make_tower(VIT, preprocess=settings))
