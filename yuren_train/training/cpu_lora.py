# SPDX-License-Identifier: Apache-2.0
"""PEFT's LoRA layers for a CPU: the low-rank product is added where the base's result lies.

PEFT takes the product, the scaling and the sum through memory one after the other, which on a
CPU costs as much as the layer itself. Here it is one product that adds to the base's result, in
the dtype of that result. The matrices, their names and their gradients in fp32 are PEFT's own,
and so is all that is not plain LoRA with one adapter.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners import lora
from torch import Tensor, nn


class _LowRank(torch.autograd.Function):
    """result + scaling (x A^T) B^T, written over `result`."""

    @staticmethod
    def forward(
        ctx: Any, result: Tensor, x: Tensor, a: Tensor, b: Tensor, scaling: float
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1]).to(result.dtype)  # (N, in)
        ctx.dtypes = x.dtype, a.dtype, b.dtype
        a, b = a.to(result.dtype), b.to(result.dtype)  # (r, in), (out, r)
        low = flat @ a.T  # (N, r)
        ctx.save_for_backward(flat, a, b, low)
        ctx.scaling, ctx.shape = scaling, x.shape
        ctx.mark_dirty(result)
        result.view(-1, result.shape[-1]).addmm_(low, b.T, alpha=scaling)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        flat, a, b, low = ctx.saved_tensors
        d_result = gradients[0]
        flat_d = d_result.reshape(-1, d_result.shape[-1])  # (N, out)
        d_low = (flat_d @ b).mul_(ctx.scaling)  # (N, r)
        x_dtype, a_dtype, b_dtype = ctx.dtypes
        d_x = None
        if ctx.needs_input_grad[1]:
            d_x = (d_low @ a).view(ctx.shape).to(x_dtype)
        d_a = (d_low.T @ flat).to(a_dtype)
        d_b = (low.T @ flat_d).mul_(ctx.scaling).T.to(b_dtype)  # wide rows go through faster
        return d_result, d_x, d_a, d_b, None


def _forward(layer: Any, x: Tensor) -> Tensor | None:
    """What a LoRA layer makes of (..., in); None where it is more than plain LoRA."""
    if layer.disable_adapters or layer.merged or layer.lora_variant:
        return None
    if len(layer.active_adapters) != 1 or layer.active_adapters[0] not in layer.lora_A:
        return None
    (adapter,) = layer.active_adapters
    a, b = layer.lora_A[adapter].weight, layer.lora_B[adapter]
    if b.bias is not None:
        return None
    result = layer.base_layer(x).contiguous()
    x = layer.lora_dropout[adapter](x)
    output: Tensor = _LowRank.apply(result, x, a, b.weight, layer.scaling[adapter])
    return output


class _AddedInPlace(nn.Module):
    """What a LoRA layer of PEFT becomes by standing before it."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """(..., in) to (..., out), as PEFT's."""
        output = None if args or kwargs else _forward(self, x)
        plain: Any = super().forward
        return plain(x, *args, **kwargs) if output is None else output


class CpuLoraLinear(_AddedInPlace, lora.Linear):
    """Beside weights in 16 or 32 bits."""


FORMS: dict[type[nn.Module], type[nn.Module]] = {lora.Linear: CpuLoraLinear}
"""PEFT's layers, and the form of each."""

if hasattr(lora, "Linear4bit"):  # only where bitsandbytes is installed

    class CpuLoraLinear4bit(_AddedInPlace, lora.Linear4bit):  # type: ignore[misc, unused-ignore]
        """Beside weights in 4 bits."""

    FORMS[lora.Linear4bit] = CpuLoraLinear4bit
