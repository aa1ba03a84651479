# SPDX-License-Identifier: Apache-2.0
"""Tiny towers of open_clip's own making, of every kind that an export meets."""

from __future__ import annotations

from typing import Any

import torch

from yuren_core.model.vision_tower import VisionTower

SIZE = 32
VIT: dict[str, Any] = {
    "image_size": SIZE,
    "layers": 3,
    "width": 32,
    "head_width": 16,
    "patch_size": 8,
}
RESNET: dict[str, Any] = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8}


def make_tower(
    vision: dict[str, Any],
    *,
    quick_gelu: bool = False,
    layer: int = -2,
    preprocess: dict[str, Any] | None = None,
) -> VisionTower:
    """A tower with random weights, norms included."""
    from open_clip.model import _build_vision_tower

    torch.manual_seed(0)
    visual: Any = _build_vision_tower(16, dict(vision), quick_gelu)
    for name, parameter in visual.named_parameters():
        if "ln_" in name or "bias" in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    model_cfg = {"embed_dim": 16, "quick_gelu": quick_gelu, "vision_cfg": vision}
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess or {}}
    return VisionTower(visual, config, layer)
