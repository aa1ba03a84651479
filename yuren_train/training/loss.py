# SPDX-License-Identifier: Apache-2.0
"""Cross-entropy over a large vocabulary: logits at label positions only, a chunk at a time.

Rules that always hold: the sum is fp32 whatever the model computes in; gradients are made in
the forward pass, where a chunk's logits are at hand, so that no logits outlive their chunk and
none are computed twice; positions without a label cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from yuren_core.model.tokenization import IGNORE_INDEX

_CHUNK_BYTES = 1 << 27
"""Logits of one chunk, in the dtype of the products: 128 MiB."""

_CPU_SOFTMAX = 1 << 20
"""Logits that a CPU turns into gradients at once, in fp32: 4 MiB, which its cache holds."""


def summed_cross_entropy(
    hidden: Tensor,
    head: Tensor,
    labels: Tensor,
    *,
    rows: Tensor | None = None,
    row_ids: Tensor | None = None,
    chunk: int | None = None,
) -> Tensor:
    """The sum of the cross-entropies at all positions that have a label.

    Products run in the dtype of autocast where it is on, else in that of `hidden`.

    Args:
        hidden: (N, D), the last hidden states, after the final norm.
        head: (V, D), the output embedding.
        labels: (N,) int64, already shifted: what position n has to predict, or IGNORE_INDEX.
        rows: (R, D), rows that stand in for some of a frozen head's.
        row_ids: (R,) int64, their places in the head.
        chunk: label positions computed at once; None chooses by the size of the vocabulary.

    Returns:
        fp32, a scalar; gradients reach `hidden`, `head` and `rows`.
    """
    at = (labels != IGNORE_INDEX).nonzero().squeeze(-1)  # (M,)
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    size = chunk or max(1, _CHUNK_BYTES // (head.shape[0] * dtype.itemsize))
    with torch.autocast(kind, enabled=False):
        total: Tensor = _SummedCrossEntropy.apply(
            hidden[at], head, labels[at], rows, row_ids, size, dtype
        )
    return total


class _SummedCrossEntropy(torch.autograd.Function):
    """(M, D) states and (M,) labels, all of them real, to the sum of their losses."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        head: Tensor,
        labels: Tensor,
        rows: Tensor | None,
        row_ids: Tensor | None,
        chunk: int,
        dtype: torch.dtype,
    ) -> Tensor:
        for_hidden, for_head, _, for_rows = ctx.needs_input_grad[:4]
        states, weight = hidden.to(dtype), head.to(dtype)
        own = None if rows is None else rows.to(dtype)
        total = hidden.new_zeros((), dtype=torch.float32)
        d_hidden = torch.empty_like(hidden) if for_hidden else None
        d_head: Tensor | None = None  # fp32
        d_rows = None
        if rows is not None and for_rows:
            d_rows = torch.zeros_like(rows, dtype=torch.float32)
        for start in range(0, len(labels), chunk):
            part = slice(start, start + chunk)
            piece, wanted = states[part], labels[part].unsqueeze(-1)  # (m, D), (m, 1)
            logits = functional.linear(piece, weight)  # (m, V)
            if own is not None and row_ids is not None:
                logits.index_copy_(-1, row_ids, functional.linear(piece, own))
            is_learned = for_hidden or for_head or for_rows
            d_out = logits  # (m, V): the gradients take the place of the logits, row by row
            for some in _softmax_pieces(logits):
                log_p = functional.log_softmax(logits[some], dim=-1, dtype=torch.float32)
                total -= log_p.gather(-1, wanted[some]).sum()
                if is_learned:
                    minus_one = torch.full_like(wanted[some], -1, dtype=torch.float32)
                    d_out[some] = log_p.exp_().scatter_add_(-1, wanted[some], minus_one)
            if not is_learned:
                continue
            if own is not None and row_ids is not None:
                of_rows = d_out.index_select(-1, row_ids)  # (m, R)
                d_out.index_fill_(-1, row_ids, 0)
                if d_rows is not None:
                    d_rows += of_rows.t() @ piece
            if d_hidden is not None:
                product = d_out @ weight
                d_hidden[part] = product if own is None else product.addmm_(of_rows, own)
            if for_head:
                product = (d_out.t() @ piece).float()
                d_head = product if d_head is None else d_head.add_(product)
        if for_head and d_head is None:  # nothing to learn
            d_head = torch.zeros_like(head)
        # Not saved for backward: they are nobody's inputs, and are used up in place.
        ctx.gradients = (
            d_hidden,
            None if d_head is None else d_head.to(head.dtype),
            None if d_rows is None or rows is None else d_rows.to(rows.dtype),
        )
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        scale = outputs[0]
        d_hidden, d_head, d_rows = (
            None if gradient is None else gradient.mul_(scale) for gradient in ctx.gradients
        )
        del ctx.gradients
        return d_hidden, d_head, None, d_rows, None, None, None


def _softmax_pieces(logits: Tensor) -> Iterator[slice]:
    """Rows of (m, V) that are turned into gradients at once: all of them but on a CPU."""
    rows, width = logits.shape
    step = max(1, _CPU_SOFTMAX // width) if logits.device.type == "cpu" else rows
    return (slice(start, start + step) for start in range(0, rows, step))


class LossHead(nn.Module):
    """The output embedding as a module whose forward pass is the loss.

    Its parameters are the model's own, shared: a module that uses them in its forward pass has
    them whole under ZeRO-3, and a tied embedding stays tied.

    Args:
        weight: (V, D).
        rows: (R, D) trained rows in the places of `row_ids` of a frozen `weight`, or None.
        row_ids: (R,) int64.
    """

    row_ids: Tensor | None

    def __init__(
        self, weight: Tensor, rows: Tensor | None = None, row_ids: Tensor | None = None
    ) -> None:
        super().__init__()
        self.weight = weight
        self.rows = rows
        self.register_buffer("row_ids", row_ids, persistent=False)

    def forward(self, hidden: Tensor, labels: Tensor) -> Tensor:
        """(N, D) states and (N,) shifted labels to their summed cross-entropy, fp32."""
        return summed_cross_entropy(
            hidden, self.weight, labels, rows=self.rows, row_ids=self.row_ids
        )
