# SPDX-License-Identifier: Apache-2.0
"""`CLIPVisionModel` of transformers as the ViT of open_clip that it is.

Both compute the same; names differ, and open_clip keeps query, key and value as one matrix. The
norm and the projection behind the last block are never read here; where they are missing, they
are made up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPVisionConfig

from yuren_core.errors import DownloadError, ModelFormatError
from yuren_core.i18n import tr
from yuren_core.model.checkpoint import read_json_config, read_tensors, weight_files

_STEM = {
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding.weight": "conv1.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "pre_layrnorm.weight": "ln_pre.weight",
    "pre_layrnorm.bias": "ln_pre.bias",
    "post_layernorm.weight": "ln_post.weight",
    "post_layernorm.bias": "ln_post.bias",
}
_BLOCK = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_IN_BLOCK = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
_QKV = re.compile(r"self_attn\.([qkv])_proj")


_TOLD = (
    "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers",
    "num_attention_heads", "image_size", "patch_size", "hidden_act",
)  # fmt: skip
_FILES = ["config.json", "preprocessor_config.json"]


def read_clip(
    ref: str, dtype: torch.dtype, *, pads: bool = False
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """open_clip's config and weights of a directory or repository of transformers.

    Args:
        ref: a directory, or ORG/NAME of the hub.
        dtype: of the weights.
        pads: as for `open_clip_config`.

    Raises:
        DownloadError: the network failed, or the hub has no such model.
        ModelFormatError, DamagedCheckpointError, UnsafeCheckpointError: as for model files.
    """
    directory = Path(ref) if Path(ref).is_dir() else _fetch(ref)
    raw = read_json_config(directory)
    vision = raw.get("vision_config") or raw
    if not str(raw.get("model_type")).startswith("clip"):
        raise ModelFormatError(
            tr(
                "error.checkpoint.model_type",
                path=directory / "config.json",
                found=repr(raw.get("model_type")),
            ),
            tr("error.tower.unusable_hint"),
        )
    preprocessor: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        preprocessor = json.loads((directory / "preprocessor_config.json").read_text("utf-8"))
    config = open_clip_config(vision, preprocessor, pads=pads)
    tensors = (
        (name.removeprefix("vision_model."), tensor)
        for file in weight_files(directory)
        for name, tensor in read_tensors(file)
    )
    return config, visual_weights(tensors, config, dtype)


def _fetch(ref: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        found = Path(snapshot_download(ref, allow_patterns=[*_FILES, "model*.safetensors*"]))
        if not any(found.glob("model*.safetensors")):
            found = Path(snapshot_download(ref, allow_patterns=[*_FILES, "pytorch_model*.bin*"]))
    except Exception as error:  # the hub's, its HTTP library's, the disk's
        reason, *_ = str(error).splitlines() or [type(error).__name__]
        raise DownloadError(
            tr("error.tower.download", ref=ref, reason=reason), tr("error.tower.download_hint")
        ) from error
    return found


def open_clip_config(
    vision: Mapping[str, Any], preprocessor: Mapping[str, Any], *, pads: bool = False
) -> dict[str, Any]:
    """open_clip's config of a tower.

    Args:
        vision: `vision_config`; what it lacks is transformers' default.
        preprocessor: of `preprocessor_config.json`; {} for CLIP's own.
        pads: pictures are made square with the mean colour, where they are cropped otherwise.
    """
    told = CLIPVisionConfig(**{k: v for k, v in vision.items() if k in _TOLD})
    preprocess: dict[str, Any] = {"size": told.image_size, "resize_mode": "shortest"}
    for name, key in (("mean", "image_mean"), ("std", "image_std")):
        if preprocessor.get(key):
            preprocess[name] = list(preprocessor[key])
    if pads:
        from open_clip import OPENAI_DATASET_MEAN

        mean = preprocess.get("mean") or OPENAI_DATASET_MEAN
        colour = [int(part * 255) for part in mean]
        preprocess |= {"resize_mode": "longest", "fill_color": colour}
    return {
        "model_cfg": {
            "embed_dim": told.projection_dim,
            "quick_gelu": told.hidden_act == "quick_gelu",
            "vision_cfg": {
                "image_size": told.image_size,
                "patch_size": told.patch_size,
                "layers": told.num_hidden_layers,
                "width": told.hidden_size,
                "head_width": told.hidden_size // told.num_attention_heads,
                "mlp_ratio": told.intermediate_size / told.hidden_size,
            },
        },
        "preprocess_cfg": preprocess,
    }


def visual_weights(
    tensors: Iterable[tuple[str, Tensor]], config: Mapping[str, Any], dtype: torch.dtype
) -> dict[str, Tensor]:
    """open_clip's names and tensors, without the `visual.` prefix.

    Args:
        tensors: names of `CLIPVisionModel`, without any prefix, and what they hold; others are
            passed over.
        config: of `open_clip_config`.
        dtype: of the result.
    """
    weights: dict[str, Tensor] = {}
    thirds: dict[str, dict[str, Tensor]] = {}
    for name, stored in tensors:
        tensor = stored.to(dtype, copy=True)
        if name in _STEM:
            weights[_STEM[name]] = tensor
        elif match := _IN_BLOCK.fullmatch(name):
            block, part, leaf = match.groups()
            place = f"transformer.resblocks.{block}."
            if third := _QKV.fullmatch(part):
                thirds.setdefault(f"{place}attn.in_proj_{leaf}", {})[third[1]] = tensor
            elif part in _BLOCK:
                weights[f"{place}{_BLOCK[part]}.{leaf}"] = tensor
    for name, parts in thirds.items():
        if len(parts) == 3:
            weights[name] = torch.cat([parts[letter] for letter in "qkv"])
    width = config["model_cfg"]["vision_cfg"]["width"]
    weights.setdefault("ln_post.weight", torch.ones(width, dtype=dtype))
    weights.setdefault("ln_post.bias", torch.zeros(width, dtype=dtype))
    embed_dim = config["model_cfg"]["embed_dim"]
    weights["proj"] = torch.zeros(width, embed_dim, dtype=dtype)
    return weights
