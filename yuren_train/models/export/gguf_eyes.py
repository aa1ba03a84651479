# SPDX-License-Identifier: Apache-2.0
"""Tower and projector as llama.cpp's `clip` with a projector of type `mlp`: an mmproj file.

llama.cpp runs all blocks but the last that the file names, takes off the class token, and puts a
GELU between two layers of the projector. The layer that we read is named outright where it is
the very last one. Inner rows are free there: the two layers that make one linear layer
(GELU(x) - GELU(-x) = x, in the approximation by tanh too) take twice the tower's width.
"""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from yuren_train.models.export.clip_pixels import image_processor
from yuren_train.models.export.clip_tower import clip_config, clip_weights
from yuren_train.models.export.gguf_writing import GgufDtype, GgufTensor, file_type, gguf_tensor
from yuren_train.models.export.projector import free_layers
from yuren_train.models.export.source import Source, seeing

_STEM = {
    "embeddings.class_embedding": "v.class_embd",
    "embeddings.patch_embedding.weight": "v.patch_embd.weight",
    "embeddings.position_embedding.weight": "v.position_embd.weight",
    "pre_layrnorm.weight": "v.pre_ln.weight",
    "pre_layrnorm.bias": "v.pre_ln.bias",
}
_IN_LAYER = {
    "layer_norm1": "ln1",
    "layer_norm2": "ln2",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_out",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
}
_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")


def eyes_tensors(source: Source, dtype: GgufDtype) -> list[GgufTensor]:
    """Tower and projector under llama.cpp's names; what lies behind the layer is left out.

    Raises:
        ModelFormatError: as `clip_weights`.
        UsageError: a weight is too large for F16.
    """
    model, tower = seeing(source)
    count = blocks_named(tower.select_layer, clip_config(tower).num_hidden_layers)
    named: list[tuple[str, Tensor]] = []
    for name, tensor in clip_weights(tower).items():
        match = _LAYER.fullmatch(name)
        if name in _STEM:
            named.append((_STEM[name], tensor))
        elif match and int(match[1]) < count:
            named.append((f"v.blk.{match[1]}.{_IN_LAYER[match[2]]}.{match[3]}", tensor))
    named += free_layers(model.model.mm_projector).tensors("mm.0", "mm.2").items()
    return [gguf_tensor(name, tensor, dtype) for name, tensor in named]


def blocks_named(select_layer: int, layers: int) -> int:
    """`block_count`: one more than are run, as far as there is one more."""
    return min(layers, layers + select_layer + 2)


def describe_eyes(writer: Any, source: Source, dtype: GgufDtype) -> None:
    """Add the tower's shape and the preprocessing to a writer."""
    _, tower = seeing(source)
    config, pixels = clip_config(tower), image_processor(tower)
    layers = config.num_hidden_layers
    writer.add_type("mmproj")
    writer.add_name(source.path.name)
    writer.add_file_type(file_type(dtype))
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("mlp")
    writer.add_vision_image_size(config.image_size)
    writer.add_vision_patch_size(config.patch_size)
    writer.add_vision_embedding_length(config.hidden_size)
    writer.add_vision_feed_forward_length(config.intermediate_size)
    writer.add_vision_block_count(blocks_named(tower.select_layer, layers))
    writer.add_vision_projection_dim(source.model.config.hidden_size)
    writer.add_vision_head_count(config.num_attention_heads)
    writer.add_vision_attention_layernorm_eps(config.layer_norm_eps)
    writer.add_vision_image_mean([float(value) for value in pixels.image_mean])
    writer.add_vision_image_std([float(value) for value in pixels.image_std])
    writer.add_vision_use_gelu(config.hidden_act != "quick_gelu")
    if tower.select_layer == -1:
        writer.add_array("clip.vision.feature_layer", [layers])
