# SPDX-License-Identifier: Apache-2.0
"""open_clip's VisionTransformer under the names that `CLIPVisionModel` of transformers has.

Only a plain ViT has that form: one square picture, a norm before the blocks, a class token, exact
or quick GELU. Whatever else open_clip can build is refused by what is left over: no tensor of a
block is ever dropped. The norm and the projection behind the last block are not read by a
multimodal model, so they may be of any kind.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPVisionConfig

from yuren_core.errors import ModelFormatError
from yuren_core.i18n import tr
from yuren_core.model.vision_tower import VisionTower

_STEM = {
    "class_embedding": "embeddings.class_embedding",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_pre.weight": "pre_layrnorm.weight",
    "ln_pre.bias": "pre_layrnorm.bias",
}
_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_IN_BLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+?)\.(weight|bias)")
_IN_PROJ = re.compile(r"transformer\.resblocks\.(\d+)\.attn\.in_proj_(weight|bias)")
_UNREAD = ("ln_post.", "proj", "attn_pool.", "attn_pool_contrastive.")


def clip_config(tower: VisionTower) -> CLIPVisionConfig:
    """The config of the `CLIPVisionModel` that a tower becomes.

    Raises:
        ModelFormatError: the tower is a ResNet, or a ViT of a kind that CLIP of transformers
            is not.
    """
    visual: Any = tower.visual
    if not hasattr(visual, "transformer"):
        raise _refused(tr("error.export.tower_resnet"))
    height, width = tower.image_size
    patch_height, patch_width = visual.patch_size
    if height != width or patch_height != patch_width:
        raise _refused(tr("error.export.tower_not_square"))
    block = visual.transformer.resblocks[0]
    attention = getattr(block, "attn", None)
    if not isinstance(attention, torch.nn.MultiheadAttention) or not hasattr(block.mlp, "gelu"):
        raise _refused(tr("error.export.tower_block", kind=type(attention).__name__))
    return CLIPVisionConfig(
        hidden_size=tower.hidden_size,
        intermediate_size=block.mlp.c_fc.out_features,
        num_hidden_layers=len(visual.transformer.resblocks),
        num_attention_heads=attention.num_heads,
        image_size=height,
        patch_size=patch_height,
        hidden_act=_activation(block.mlp.gelu),
        layer_norm_eps=block.ln_1.eps,
        projection_dim=visual.output_dim,
    )


def clip_weights(tower: VisionTower) -> dict[str, Tensor]:
    """The tensors of the `CLIPVisionModel`; all but the split ones are the tower's own.

    Raises:
        ModelFormatError: as `clip_config`, or a tensor has no place there.
    """
    config = clip_config(tower)
    weights: dict[str, Tensor] = {}
    for name, tensor in tower.visual.state_dict().items():
        if name in _STEM:
            weights[_STEM[name]] = tensor
        elif match := _IN_PROJ.fullmatch(name):
            layer, leaf = match.groups()
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                weights[f"encoder.layers.{layer}.self_attn.{part}_proj.{leaf}"] = piece.contiguous()
        elif (match := _IN_BLOCK.fullmatch(name)) and match[2] in _BLOCK:
            weights[f"encoder.layers.{match[1]}.{_BLOCK[match[2]]}.{match[3]}"] = tensor
        elif not name.startswith(_UNREAD):
            raise _refused(tr("error.export.tower_tensor", name=name))
    if "pre_layrnorm.weight" not in weights:
        raise _refused(tr("error.export.tower_no_norm"))
    weights.update(_norm_behind(tower, config.hidden_size))
    return weights


def _norm_behind(tower: VisionTower, width: int) -> dict[str, Tensor]:
    """The norm behind the last block, which CLIPVisionModel must have and nobody reads."""
    norm: Any = tower.visual.ln_post
    if norm.weight.shape == (width,):
        return {"post_layernorm.weight": norm.weight, "post_layernorm.bias": norm.bias}
    like: Tensor = tower.visual.class_embedding
    return {
        "post_layernorm.weight": torch.ones_like(like),
        "post_layernorm.bias": torch.zeros_like(like),
    }


def _activation(activation: Any) -> str:
    """The name that transformers has for an activation of open_clip."""
    if type(activation).__name__ == "QuickGELU":
        return "quick_gelu"
    if isinstance(activation, torch.nn.GELU):
        return "gelu" if activation.approximate == "none" else "gelu_pytorch_tanh"
    raise _refused(tr("error.export.tower_activation", kind=type(activation).__name__))


def _refused(reason: str) -> ModelFormatError:
    return ModelFormatError(tr("error.export.tower", reason=reason), tr("error.export.tower_hint"))
