# SPDX-License-Identifier: Apache-2.0
"""How large a model is, from its `config.json` alone: before any weight is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yuren_core.errors import ModelFormatError
from yuren_core.i18n import tr


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A LLaMA's sizes.

    Attributes:
        hidden_size: D.
        intermediate_size: width of the MLP.
        layers: decoder layers.
        heads: query heads.
        kv_heads: key and value heads.
        head_dim: width of a head.
        vocab_size: embedding rows, V.
        is_tied: whether input and output embedding are one.
        max_positions: tokens that the model was made for.
        vision_width: width of the tower's features; 0 for a model without projector.
    """

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    is_tied: bool
    max_positions: int
    vision_width: int = 0

    @classmethod
    def of(cls, directory: Path) -> ModelShape:
        """The shape of the model in a directory.

        Raises:
            ModelFormatError: there is no config, or it lacks a size.
        """
        file = directory / "config.json"
        try:
            raw: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            heads = int(raw["num_attention_heads"])
            hidden = int(raw["hidden_size"])
            sees = raw.get("model_type") == "multimodal_llama" and raw.get("use_mm_proj", True)
            return cls(
                hidden_size=hidden,
                intermediate_size=int(raw["intermediate_size"]),
                layers=int(raw["num_hidden_layers"]),
                heads=heads,
                kv_heads=int(raw.get("num_key_value_heads") or heads),
                head_dim=int(raw.get("head_dim") or hidden // heads),
                vocab_size=int(raw["vocab_size"]),
                is_tied=bool(raw.get("tie_word_embeddings", False)),
                max_positions=int(raw.get("max_position_embeddings", 2048)),
                vision_width=int(raw.get("mm_hidden_size", 1024)) if sees else 0,
            )
        except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
            raise ModelFormatError(
                tr("error.shape.unreadable", path=file, reason=error or type(error).__name__),
                tr("error.shape.unreadable_hint"),
            ) from error

    @property
    def linear_parameters(self) -> int:
        """Of the seven projections of every layer: what LoRA stands beside and nf4 packs."""
        return self.layers * sum(rows * columns for rows, columns in self.projections.values())

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """Output and input width of a layer's linears, by name."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (queries, self.hidden_size),
            "k_proj": (keys, self.hidden_size),
            "v_proj": (keys, self.hidden_size),
            "o_proj": (self.hidden_size, queries),
            "gate_proj": (self.intermediate_size, self.hidden_size),
            "up_proj": (self.intermediate_size, self.hidden_size),
            "down_proj": (self.hidden_size, self.intermediate_size),
        }

    @property
    def embedding_parameters(self) -> int:
        """Of input and output embedding, once where they are tied."""
        return self.vocab_size * self.hidden_size * (1 if self.is_tied else 2)

    @property
    def projector_parameters(self) -> int:
        """Of `mm_projector`, bias included; 0 where there is none."""
        return (self.vision_width + 1) * self.hidden_size if self.vision_width else 0

    @property
    def parameters(self) -> int:
        """Of the language model and its projector."""
        norms = (2 * self.layers + 1) * self.hidden_size
        return (
            self.linear_parameters + self.embedding_parameters + norms + self.projector_parameters
        )

    def lora_parameters(self, rank: int, targets: tuple[str, ...]) -> int:
        """Of the two matrices beside each target of every layer."""
        pairs = (self.projections[name] for name in targets if name in self.projections)
        return self.layers * sum(rank * (rows + columns) for rows, columns in pairs)


REFERENCE_SHAPES: Mapping[str, ModelShape] = {
    # SmolLM2-135M, baichuan-7B, LLaMA-13B, LLaMA-33B and LLaMA-2-70B, as their configs say.
    "135M": ModelShape(576, 1536, 30, 9, 3, 64, 49152, True, 8192),
    "7B": ModelShape(4096, 11008, 32, 32, 32, 128, 64000, False, 4096),
    "13B": ModelShape(5120, 13824, 40, 40, 40, 128, 32000, False, 4096),
    "33B": ModelShape(6656, 17920, 60, 52, 52, 128, 32000, False, 2048),
    "70B": ModelShape(8192, 28672, 80, 64, 8, 128, 32000, False, 4096),
}
"""Shapes that people ask about before they have the model."""
