# SPDX-License-Identifier: Apache-2.0
"""The multimodal LLaMA: transformers' LLaMA with one linear layer that lets pictures in.

Owns the config (`model_type: multimodal_llama`), the model classes and the merge of picture
features into the embeddings. The vision tower is not part of it: features come in ready made,
so that the tower runs once a picture and never under DeepSpeed. Without pictures the forward
pass is LLaMA's own, to the bit.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel
from transformers.modeling_outputs import CausalLMOutputWithPast


class MultimodalLlamaConfig(LlamaConfig):
    """LLaMA's config and what the projector needs to know.

    Attributes:
        mm_vision_tower: where the tower comes from: a name, or "vision_tower" for the directory
            that lies in the model directory.
        mm_hidden_size: width of the tower's features (C).
        mm_vision_select_layer: the tower's layer that is read; -2 is the last but one.
        use_mm_proj: whether there is a projector at all.
        image_token_id: id of `<|img_patch|>`, whose embeddings pictures replace.
        mm_projector_type: "linear", or "mlp2x_gelu" for LLaVA's two layers with a GELU between.
        mm_after_answer: `ChatMLStyle.after_answer` of its training.
        mm_pictures_last: `ChatMLStyle.pictures_last` of its training.
    """

    model_type = "multimodal_llama"

    mm_vision_tower: str | None = None
    mm_hidden_size: int = 1024
    mm_vision_select_layer: int = -2
    use_mm_proj: bool = True
    image_token_id: int | None = None
    mm_projector_type: str = "linear"
    mm_after_answer: str = ""
    mm_pictures_last: bool = False


class MultimodalLlamaModel(LlamaModel):
    """LLaMA's decoder with `mm_projector`."""

    config_class = MultimodalLlamaConfig

    def __init__(self, config: MultimodalLlamaConfig) -> None:
        super().__init__(config)
        self.mm_projector: nn.Module = nn.Linear(config.mm_hidden_size, config.hidden_size)
        if config.mm_projector_type == "mlp2x_gelu":
            second = nn.Linear(config.hidden_size, config.hidden_size)
            self.mm_projector = nn.Sequential(self.mm_projector, nn.GELU(), second)
        self.post_init()  # type: ignore[no-untyped-call]


class MultimodalLlamaForCausalLM(LlamaForCausalLM):
    """A LLaMA that sees: picture features become the embeddings of `<|img_patch|>`."""

    config_class = MultimodalLlamaConfig

    def __init__(self, config: MultimodalLlamaConfig) -> None:
        super().__init__(config)
        self.model = MultimodalLlamaModel(config)
        self.post_init()  # type: ignore[no-untyped-call]

    def project(self, features: Tensor) -> Tensor:
        """Bring tower features (N, P, C) into the LLM's space (N, P, D), in its dtype."""
        projector = self.model.mm_projector
        projected: Tensor = projector(features.to(next(projector.parameters()).dtype))
        return projected

    def forward(
        self,
        input_ids: Tensor | None = None,
        image_features: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """LLaMA's forward pass, with pictures.

        Args:
            input_ids: (B, T) int64; P `<|img_patch|>` ids in a row for each picture.
            image_features: (N, P, C), the tower's, in the order in which the pictures stand.
            inputs_embeds: (B, T, D) in place of `input_ids`; excludes `image_features`.
            **kwargs: everything that `LlamaForCausalLM.forward` takes.

        Returns:
            LLaMA's output.

        Raises:
            ValueError: patches and features do not match in number.
        """
        if image_features is not None:
            if input_ids is None:
                raise ValueError("image_features need input_ids")
            is_patch = input_ids == self.config.image_token_id
            inputs_embeds = merge_image_features(
                self.model.embed_tokens(input_ids.masked_fill(is_patch, 0)),
                is_patch,
                self.project(image_features),
            )
            input_ids = None
        output: CausalLMOutputWithPast = super().forward(
            input_ids=input_ids, inputs_embeds=inputs_embeds, **kwargs
        )
        return output


def merge_image_features(embeds: Tensor, is_patch: Tensor, projected: Tensor) -> Tensor:
    """Put projected picture features in the places of the patch tokens.

    Args:
        embeds: (B, T, D) embeddings of the tokens.
        is_patch: (B, T) bool, true at `<|img_patch|>`.
        projected: (N, P, D), pictures in reading order over the batch.

    Returns:
        (B, T, D) in the dtype of `embeds`; gradients reach `projected`.

    Raises:
        ValueError: N * P is not the number of patch tokens.
    """
    places = int(is_patch.sum())
    rows = projected.shape[0] * projected.shape[1]
    if places != rows:
        raise ValueError(f"{places} patch tokens, but {rows} rows of picture features")
    mask = is_patch.unsqueeze(-1).expand_as(embeds)  # (B, T, D)
    return embeds.masked_scatter(mask, projected.to(embeds.dtype))
