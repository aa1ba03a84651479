# SPDX-License-Identifier: Apache-2.0
"""Causal attention of short samples, those of about the same length together.

The backward pass of torch's fused attention takes milliseconds on a CPU however short a sample
is: 2.7 ms for 64 tokens of 9 heads, where the products of which it consists take 0.8 (torch
2.14). Conversations about pictures are that short, and many of them fill a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

SHORT = 512
"""Tokens of a sample up to which this is faster; what it keeps grows with their square."""


def short_attention(
    query: Tensor, key: Tensor, value: Tensor, starts: Sequence[int], scaling: float
) -> Tensor:
    """Attention within each sample, over none that is longer than SHORT.

    Args:
        query: (1, H, N, d).
        key: (1, K, N, d), H a multiple of K.
        value: (1, K, N, d).
        starts: where each sample begins; the last is N.
        scaling: of the products of query and key.

    Returns:
        (1, H, N, d).
    """
    q, k, v = (tensor[0].transpose(0, 1) for tensor in (query, key, value))  # (N, H or K, d)
    places = torch.empty(len(q), dtype=torch.long)  # of each token among the outputs
    outputs: list[Tensor] = []
    filled = 0
    for length, members in _by_length(starts).items():
        first = torch.tensor([starts[i] for i in members])
        sizes = torch.tensor([starts[i + 1] - starts[i] for i in members])
        steps = torch.arange(length)
        tokens = first[:, None] + steps.minimum(sizes[:, None] - 1)  # (S, T); the last fills up
        is_real = steps < sizes[:, None]
        places[tokens[is_real]] = filled + is_real.flatten().nonzero()[:, 0]
        filled += tokens.numel()
        at = tokens.flatten().to(q.device)
        grouped = (tensor.index_select(0, at).unflatten(0, tokens.shape) for tensor in (q, k, v))
        outputs.append(_attend(*grouped, scaling=scaling).flatten(0, 1))
    heads = torch.cat(outputs).index_select(0, places.to(q.device))  # (N, H, d)
    return heads.transpose(0, 1).unsqueeze(0)


def _by_length(starts: Sequence[int]) -> dict[int, list[int]]:
    """Samples whose lengths round up to the same; the longest of each such group is its key."""
    groups: dict[int, list[int]] = {}
    for sample, (start, end) in enumerate(pairwise(starts)):
        groups.setdefault(-(-(end - start) // 32), []).append(sample)
    return {max(starts[i + 1] - starts[i] for i in group): group for group in groups.values()}


def _attend(q: Tensor, k: Tensor, v: Tensor, *, scaling: float) -> Tensor:
    """(S, T, H, d) queries, keys and values of K heads, to (S, T, H, d).

    A token that fills up stands behind its sample, where no real one looks.
    """
    samples, length, heads, width = q.shape
    shared = heads // k.shape[2]  # heads that look at the same keys
    future = torch.full((length, length), float("-inf"), dtype=q.dtype, device=q.device).triu_(1)
    q = q.unflatten(2, (-1, shared)).permute(0, 2, 3, 1, 4).reshape(-1, shared * length, width)
    k, v = (tensor.transpose(1, 2).flatten(0, 1) for tensor in (k, v))  # (S K, T, d)
    scores = torch.baddbmm(future.repeat(shared, 1), q, k.transpose(1, 2), alpha=scaling)
    attended = scores.softmax(-1) @ v  # (S K, shared T, d)
    attended = attended.view(samples, -1, shared, length, width).permute(0, 3, 1, 2, 4)
    return attended.reshape(samples, length, heads, width)
