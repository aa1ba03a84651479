# SPDX-License-Identifier: Apache-2.0
"""A ViT of open_clip is transformers' CLIPVisionModel, and what is no such ViT is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import CLIPVisionModel

from tests.train.models.export.towers import RESNET, SIZE, VIT, make_tower
from yuren_core.errors import ModelFormatError
from yuren_train.models.export.clip_tower import clip_config, clip_weights


@pytest.mark.parametrize("layer", [-1, -2, -3])
@pytest.mark.parametrize(
    ("more", "quick_gelu", "activation"),
    [
        ({}, False, "gelu"),
        ({}, True, "quick_gelu"),
        ({"act_kwargs": {"approximate": "tanh"}}, False, "gelu_pytorch_tanh"),
        ({"norm_kwargs": {"eps": 1e-3}, "mlp_ratio": 3.0}, False, "gelu"),
        ({"attentional_pool": True, "attn_pooler_heads": 2}, False, "gelu"),
    ],
)
def test_features_are_the_same(
    layer: int, more: dict[str, Any], quick_gelu: bool, activation: str
) -> None:
    tower = make_tower(VIT | more, quick_gelu=quick_gelu, layer=layer)
    config = clip_config(tower)
    assert config.hidden_act == activation
    clip: Any = CLIPVisionModel(config).eval()
    clip.load_state_dict(clip_weights(tower), strict=True)
    pixels = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        states = clip(pixels, output_hidden_states=True).hidden_states
    torch.testing.assert_close(states[layer][:, 1:], tower(pixels), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("vision", "words"),
    [
        (RESNET, "it is a ResNet"),
        (VIT | {"image_size": [SIZE, 2 * SIZE]}, "not square"),
        (VIT | {"ls_init_value": 0.1}, "no place for transformer.resblocks.0.ls_1.gamma"),
        (VIT | {"no_ln_pre": True}, "no norm before its blocks"),
        (VIT | {"qk_norm": True, "block_type": "custom"}, "blocks are of another kind"),
    ],
)
def test_what_has_no_such_form_is_refused_with_a_remedy(vision: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelFormatError, match=words) as caught:
        clip_weights(make_tower(vision))
    assert "prepare-base --vision-tower" in caught.value.hint
