# SPDX-License-Identifier: Apache-2.0
"""A model with its loss: one batch in, the summed loss out.

What engines wrap. It goes past the model's own head, which would make logits for every token;
pictures come in here: the projector and the merge, of features that a tower has made before,
which is no part of it. A batch without a picture still runs the projector, on zeros and with
weight zero, so that all ranks do the same collectives.
"""

from __future__ import annotations

from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import LlamaForCausalLM, LlamaModel

from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM, merge_image_features
from yuren_core.model.tokenization import IGNORE_INDEX
from yuren_train.data.collator import Batch
from yuren_train.training.cpu_layers import use_cpu_layers
from yuren_train.training.loss import LossHead
from yuren_train.training.packed_attention import PACKED, use_packed_attention
from yuren_train.training.trained_rows import head_of


class Learner(nn.Module):
    """A causal language model that answers a batch with its loss.

    Args:
        model: text-only or multimodal, perhaps in PEFT's wrapping.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.loss_head = LossHead(*head_of(model))
        if next(self.language_model.parameters()).device.type == "cpu":
            use_cpu_layers(self.language_model)

    @property
    def language_model(self) -> LlamaForCausalLM:
        """The model without PEFT's wrapping; adapters within its layers stay."""
        model: Any = self.model
        if isinstance(model, PeftModel):
            model = model.get_base_model()
        inner: LlamaForCausalLM = model
        return inner

    def forward(self, batch: Batch) -> Tensor:
        """The sum of the cross-entropies of a batch's label tokens: fp32, a scalar.

        Raises:
            ValueError: there are pictures that no tower has seen.
        """
        language_model = self.language_model
        if language_model.config._attn_implementation != PACKED:
            use_packed_attention(language_model)
        decoder: LlamaModel = language_model.model
        output = decoder(
            inputs_embeds=self._embed(batch, language_model),
            position_ids=batch.position_ids,
            use_cache=False,
            cu_seqlens=batch.cu_seqlens,
            max_seqlen=batch.max_seqlen,
        )
        hidden = output.last_hidden_state[0]  # (N, D)
        loss: Tensor = self.loss_head(hidden, batch.labels[0])
        return loss

    def _embed(self, batch: Batch, model: LlamaForCausalLM) -> Tensor:
        embeds: Tensor = model.model.embed_tokens(batch.input_ids)  # (1, N, D)
        if batch.image_keys and batch.image_features is None:
            raise ValueError("a batch with pictures that no tower has seen")
        if not isinstance(model, MultimodalLlamaForCausalLM):
            return embeds
        if batch.image_features is None:
            width = model.config.mm_hidden_size
            nothing = model.project(embeds.new_zeros(1, 1, width))  # (1, 1, D)
            return embeds + 0.0 * nothing.to(embeds.dtype)
        projected = model.project(batch.image_features)  # (K, P, D)
        is_patch = batch.input_ids == model.config.image_token_id  # (1, N)
        return merge_image_features(embeds, is_patch, projected)


def empty_batch(device: torch.device) -> Batch:
    """One token and nothing to learn: what a rank computes while the others have more to do."""
    zero = torch.zeros(1, 1, dtype=torch.int64, device=device)
    return Batch(
        input_ids=zero,
        labels=torch.full_like(zero, IGNORE_INDEX),
        position_ids=zero,
        cu_seqlens=torch.tensor([0, 1], dtype=torch.int32, device=device),
        max_seqlen=1,
        pixel_values=None,
        image_keys=(),
        places=(),
        image_counts=(),
    )
