# SPDX-License-Identifier: Apache-2.0
"""open_clip's preprocessing as `CLIPImageProcessor` of transformers is told it.

Transformers resizes on tensors where torchvision is there, which rounds otherwise than Pillow
does: single values are one step of 255 apart. `backend="pil"` resizes as we do, and crops one
pixel beside us where what is cut off is 3 more than a multiple of 4.
"""

from __future__ import annotations

from typing import Any

from PIL import Image
from transformers import CLIPImageProcessor

from yuren_core.errors import ModelFormatError
from yuren_core.i18n import tr
from yuren_core.model.vision_tower import VisionTower

_RESAMPLE = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def image_processor(tower: VisionTower) -> CLIPImageProcessor:
    """What brings pictures to the tower's pixels.

    Raises:
        ModelFormatError: the tower fills what a picture leaves free with another colour than
            black, which CLIPImageProcessor cannot.
    """
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    given = tower.config.get("preprocess_cfg") or {}
    settings: dict[str, Any] = merge_preprocess_dict(PreprocessCfg(), given)
    height, width = tower.image_size
    mode = settings["resize_mode"] or "shortest"
    if mode == "longest" and settings["fill_color"] != 0:
        raise ModelFormatError(
            tr("error.export.fill", value=settings["fill_color"]), tr("error.export.fill_hint")
        )
    sizes = {
        "shortest": {"shortest_edge": min(height, width)},
        "squash": {"height": height, "width": width},
        "longest": {"max_height": height, "max_width": width},
    }
    return CLIPImageProcessor(
        size=sizes[mode],
        crop_size={"height": height, "width": width},
        resample=_RESAMPLE.get(settings["interpolation"], Image.Resampling.BICUBIC),
        image_mean=_three(settings["mean"]),
        image_std=_three(settings["std"]),
    )


def probe_picture(tower: VisionTower) -> Image.Image:
    """A picture to compare on: shades and edges, wider than high, larger than the tower's."""
    height, width = tower.image_size
    grey, round_ = Image.linear_gradient("L"), Image.radial_gradient("L")
    colours = Image.merge("RGB", (grey, round_, grey.transpose(Image.Transpose.ROTATE_90)))
    return colours.resize((2 * width, height + height // 2), Image.Resampling.NEAREST)


def _three(value: Any) -> list[float]:
    return [float(v) for v in value] if isinstance(value, list | tuple) else [float(value)] * 3
