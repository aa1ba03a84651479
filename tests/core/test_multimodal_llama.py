# SPDX-License-Identifier: Apache-2.0
"""The merge of pictures: right places, right order, gradients, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from yuren_core.model.loading import load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM, merge_image_features


def test_features_replace_patches_in_reading_order_over_the_batch() -> None:
    embeds = torch.zeros(2, 5, 3)
    is_patch = torch.tensor([[0, 1, 1, 0, 0], [1, 1, 0, 1, 1]], dtype=torch.bool)
    projected = torch.arange(1, 19, dtype=torch.float).reshape(3, 2, 3).requires_grad_()
    merged = merge_image_features(embeds, is_patch, projected)
    assert torch.equal(merged[is_patch], projected.reshape(6, 3))
    assert torch.equal(merged[~is_patch], embeds[~is_patch])
    merged.sum().backward()
    assert torch.equal(projected.grad, torch.ones_like(projected))


def test_patches_without_features_are_refused() -> None:
    with pytest.raises(ValueError, match="2 patch tokens, but 4 rows"):
        merge_image_features(
            torch.zeros(1, 3, 2), torch.tensor([[True, True, False]]), torch.zeros(2, 2, 2)
        )


def test_forward_with_features_equals_forward_with_merged_embeddings(
    multimodal_model: Path,
) -> None:
    loaded = load_model(str(multimodal_model), load="fp32", device="cpu")
    model, tower = loaded.model, loaded.vision_tower
    assert isinstance(model, MultimodalLlamaForCausalLM)
    assert tower is not None
    features = tower(torch.rand(2, 3, 32, 32))  # (2, P, C)
    patch = model.config.image_token_id
    ids = torch.tensor([[7, *[patch] * tower.num_patches, 9, *[patch] * tower.num_patches, 11]])
    embeds = model.model.embed_tokens(ids)
    embeds[ids == patch] = model.project(features).reshape(-1, embeds.shape[-1])
    expected = model(inputs_embeds=embeds).logits
    assert torch.equal(model(input_ids=ids, image_features=features).logits, expected)
    swapped = model(input_ids=ids, image_features=features.flip(0)).logits
    assert not torch.allclose(swapped[0, -1], expected[0, -1])
