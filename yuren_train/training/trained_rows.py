# SPDX-License-Identifier: Apache-2.0
"""Rows of an embedding and of a head that are trained while the matrix stays frozen.

PEFT's `trainable_token_indices` holds and saves them, but builds a new matrix at every forward
pass to put a few rows into it. Here the rows go where they are looked up: the result is the
same, to the bit for the embedding, and the cost is that of the rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from peft import PeftModel
from peft.tuners.trainable_tokens import TrainableTokensLayer
from peft.utils.other import TrainableTokensWrapper
from torch import Tensor, nn
from torch.nn import functional

ADAPTER = "default"
"""PEFT's name for the one adapter that we train."""


class Head(NamedTuple):
    """The output embedding, as `summed_cross_entropy` takes it.

    Attributes:
        weight: (V, D), frozen where there are rows.
        rows: (R, D) trained rows in the places of `row_ids`; None where there are none.
        row_ids: (R,) int64.
    """

    weight: Tensor
    rows: Tensor | None
    row_ids: Tensor | None


def head_of(model: nn.Module) -> Head:
    """The head of a causal language model, with or without PEFT around it."""
    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    head = inner.get_output_embeddings()
    if isinstance(head, TrainableTokensWrapper):
        rows: Any = head.token_adapter
        return Head(rows.base_layer.weight, rows.trainable_tokens_delta[ADAPTER], rows.row_ids)
    return Head(head.weight, None, None)


def look_rows_up(model: nn.Module) -> None:
    """Make every layer of trained rows in `model` look its rows up instead of copying."""
    for module in model.modules():
        if isinstance(module, TrainableTokensWrapper):
            layer: Any = module.token_adapter
            ids = torch.tensor(layer.token_indices[ADAPTER], device=layer.base_layer.weight.device)
            layer.register_buffer("row_ids", ids, persistent=False)
            layer.__class__ = _LookedUpRows  # PEFT's wrapper builds its own class only


class _LookedUpRows(TrainableTokensLayer):
    """PEFT's layer with a forward pass that never copies the matrix."""

    row_ids: Tensor  # (R,) int64

    def forward_adapters(
        self, x: Tensor, active_adapters: list[str], *args: Any, **kwargs: Any
    ) -> Tensor:
        """Ids (...) to embeddings (..., D), or hidden states (..., D) to logits (..., V)."""
        base: Any = self.base_layer
        result: Tensor = base(x, *args, **kwargs)
        if self.disable_adapters or self.merged or not active_adapters:
            return result
        rows = self.trainable_tokens_delta[ADAPTER]  # (R, D)
        if not isinstance(base, nn.Embedding):
            return result.index_copy(
                -1, self.row_ids, functional.linear(x, rows.to(x.dtype)).to(result)
            )
        matches = x.unsqueeze(-1) == self.row_ids  # (..., R)
        places = matches.to(torch.int8).argmax(-1)  # (...), 0 where nothing matches
        trained = functional.embedding(places, rows.to(result.dtype))
        return torch.where(matches.any(-1, keepdim=True), trained, result)
