# SPDX-License-Identifier: Apache-2.0
"""Causal attention over samples that lie in one row, none of which sees another.

Registered with transformers as `PACKED`; a model told so by `use_packed_attention` takes
`cu_seqlens` and `max_seqlen` as arguments of its forward pass. On CUDA torch's own
variable-length kernel computes all samples at once; elsewhere each long sample is one call of
`scaled_dot_product_attention`, which on a CPU loses nothing: work grows with the square of a
sample's length, not of the row's. Rows of short samples go through `short_attention`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedModel

from yuren_train.training.short_attention import SHORT, short_attention

PACKED = "yuren_packed"
"""The name that transformers knows it by."""

_VARLEN_CAPABILITY = (8, 0)  # flash attention, which the kernel is, begins with Ampere


def use_packed_attention(model: PreTrainedModel) -> None:
    """Make a model attend within samples; every later forward pass needs `cu_seqlens`."""
    AttentionInterface.register(PACKED, packed_attention)
    model.set_attn_implementation(PACKED)


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    cu_seqlens: Tensor,
    max_seqlen: int,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it.

    Args:
        module: LLaMA's attention layer.
        query: (1, H, N, d).
        key: (1, K, N, d), H a multiple of K.
        value: (1, K, N, d).
        attention_mask: none is needed, none is looked at.
        cu_seqlens: (S + 1,) int32, where each sample begins; the last is N.
        max_seqlen: tokens of the longest.
        scaling: of the products of query and key.

    Returns:
        (1, N, H, d), and no attention weights.
    """
    if _has_varlen(query):
        return _varlen(query, key, value, cu_seqlens, max_seqlen, scaling), None
    if max_seqlen <= SHORT:
        starts = cu_seqlens.tolist()
        return short_attention(query, key, value, starts, scaling).transpose(1, 2), None
    groups = query.shape[1] // key.shape[1]
    sizes = cu_seqlens.diff().tolist()
    parts = zip(*(tensor.split(sizes, dim=2) for tensor in (query, key, value)), strict=True)
    outputs = [
        functional.scaled_dot_product_attention(
            q, k, v, is_causal=q.shape[2] > 1, scale=scaling, enable_gqa=groups > 1
        )
        for q, k, v in parts
    ]
    return torch.cat(outputs, dim=2).transpose(1, 2), None


def _has_varlen(query: Tensor) -> bool:
    return (
        query.is_cuda
        and query.dtype in (torch.bfloat16, torch.float16)
        and query.shape[-1] <= 256
        and torch.cuda.get_device_capability(query.device) >= _VARLEN_CAPABILITY
    )


def _varlen(
    query: Tensor, key: Tensor, value: Tensor, cu_seqlens: Tensor, max_seqlen: int, scaling: float
) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = (tensor[0].transpose(0, 1) for tensor in (query, key, value))  # (N, H or K, d)
    output = varlen_attn(
        q,
        k,
        v,
        cu_seqlens,
        cu_seqlens,
        max_seqlen,
        max_seqlen,
        scale=scaling,
        window_size=(-1, 0),  # each token sees all before it in its sample, and none behind
        enable_gqa=q.shape[1] != k.shape[1],
    )
    assert isinstance(output, Tensor)
    return output.unsqueeze(0)
