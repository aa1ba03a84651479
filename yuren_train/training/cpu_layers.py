# SPDX-License-Identifier: Apache-2.0
"""LLaMA's norms, rotary embedding and SwiGLU for a CPU: fewer passes, fewer copies, less kept.

On a CPU these take as long as the matrix products, since each of transformers' operations goes
through memory once more. Here each runs over pieces that stay in the cache, computes in fp32,
writes its result in the dtype that the next product wants, and keeps nothing for the backward
pass that its inputs do not give. Values are transformers' own, up to the order of rounding.

Layers take these forms by a change of class: names, parameters, PEFT's wrapping and everything
that is not a training pass stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaMLP, LlamaRMSNorm

from yuren_train.training import cpu_lora
from yuren_train.training.packed_attention import packed_attention

_PIECE = 1 << 17  # elements: 512 KiB in fp32, which a core's cache holds a few of


def use_cpu_layers(model: PreTrainedModel) -> None:
    """Give the layers of a LLaMA on the CPU these forms."""
    forms = _forms()
    if model.config.hidden_act != "silu":
        del forms[LlamaMLP]
    _reclass(model, forms)


def use_plain_layers(model: nn.Module) -> None:
    """Give a model transformers' own layers again, which it will be loaded with."""
    _reclass(model, {form: plain for plain, form in _forms().items()})


def _forms() -> dict[type, type]:
    return {
        LlamaRMSNorm: CpuRMSNorm,
        LlamaMLP: CpuMLP,
        LlamaAttention: CpuAttention,
        **cpu_lora.FORMS,
    }


def _reclass(model: nn.Module, forms: dict[type, type]) -> None:
    for module in model.modules():
        module.__class__ = forms.get(type(module), type(module))


class CpuRMSNorm(LlamaRMSNorm):
    """(..., D) to (..., D) in the dtype of autocast where it is on."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """As `LlamaRMSNorm`."""
        weight, eps = self.weight, self.variance_epsilon
        dtype = _product_dtype(hidden_states)
        normed: Tensor = _RMSNorm.apply(hidden_states, weight, eps, dtype)
        return normed


class CpuMLP(LlamaMLP):
    """down(silu(gate(x)) * up(x))."""

    def forward(self, x: Tensor) -> Tensor:
        """As `LlamaMLP`."""
        product: Tensor = _SwiGLU.apply(self.gate_proj(x), self.up_proj(x))
        output: Tensor = self.down_proj(product)
        return output


class CpuAttention(LlamaAttention):
    """Attention over packed samples; with a cache, transformers' own."""

    def forward(  # type: ignore[override, unused-ignore]
        self,
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor] | None = None,
        attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """As `LlamaAttention`."""
        if "cu_seqlens" not in kwargs or position_embeddings is None:
            # The cache comes by name, which is not the same in all versions of transformers.
            own: tuple[Tensor, Tensor | None] = super().forward(
                hidden_states, position_embeddings, attention_mask, **kwargs
            )
            return own
        shape = (*hidden_states.shape[:-1], -1, self.head_dim)  # (1, N, heads, d)
        cos, sin = position_embeddings  # (1, N, d)
        query: Tensor = _Rotary.apply(self.q_proj(hidden_states).view(shape), cos, sin)
        key: Tensor = _Rotary.apply(self.k_proj(hidden_states).view(shape), cos, sin)
        value: Tensor = self.v_proj(hidden_states).view(shape)
        heads, _ = packed_attention(
            self,
            query.transpose(1, 2),
            key.transpose(1, 2),
            value.transpose(1, 2),
            None,
            cu_seqlens=kwargs["cu_seqlens"],
            max_seqlen=kwargs["max_seqlen"],
            scaling=self.scaling,
        )
        return self.o_proj(heads.reshape(*hidden_states.shape[:-1], -1)), None


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])  # (N, D)
        scale = torch.linalg.vector_norm(flat, dim=-1, keepdim=True, dtype=torch.float32)
        scale = scale.square_().div_(flat.shape[-1]).add_(eps).rsqrt_()  # (N, 1)
        output = flat.new_empty(flat.shape, dtype=dtype)
        gain = weight.float()
        for part in _pieces(flat):
            output[part] = (flat[part] * scale[part]).mul_(gain)
        ctx.save_for_backward(x, weight, scale)
        return output.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, scale = ctx.saved_tensors
        flat = x.reshape(-1, x.shape[-1])
        d_out = gradients[0].reshape(flat.shape)
        d_x = torch.empty_like(flat)
        gain = weight.float()
        d_gain = torch.zeros_like(gain) if ctx.needs_input_grad[1] else None
        for part in _pieces(flat):
            normed = flat[part] * scale[part]  # (n, D) fp32
            d_part = d_out[part].float()
            if d_gain is not None:
                d_gain += (d_part * normed).sum(0)
            d_normed = d_part * gain
            mean = torch.linalg.vecdot(d_normed, normed).div_(flat.shape[-1]).unsqueeze(-1)
            d_x[part] = d_normed.addcmul_(normed, mean, value=-1).mul_(scale[part])
        d_weight = None if d_gain is None else d_gain.to(weight.dtype)
        return d_x.view_as(x), d_weight, None, None


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        flat_gate, flat_up = gate.reshape(-1, gate.shape[-1]), up.reshape(-1, up.shape[-1])
        output = torch.empty_like(flat_gate)
        for part in _pieces(flat_gate):
            torch.mul(functional.silu(flat_gate[part]), flat_up[part], out=output[part])
        return output.view_as(gate)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        width = gate.shape[-1]
        flat_gate, flat_up = gate.reshape(-1, width), up.reshape(-1, width)
        d_out = gradients[0].reshape(-1, width)
        d_gate, d_up = torch.empty_like(flat_gate), torch.empty_like(flat_up)
        for part in _pieces(flat_gate):
            g, d = flat_gate[part], d_out[part]
            torch.mul(functional.silu(g), d, out=d_up[part])
            torch.ops.aten.silu_backward(d * flat_up[part], g, grad_input=d_gate[part])
        return d_gate.view_as(gate), d_up.view_as(up)


class _Rotary(torch.autograd.Function):
    """(1, N, heads, d) turned by the angles of (1, N, d); back again for the gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(x, cos, sin, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        return _turn(gradients[0], cos, sin, -1), None, None


def _turn(x: Tensor, cos: Tensor, sin: Tensor, direction: int) -> Tensor:
    output = torch.empty(x.shape, dtype=x.dtype)
    half = x.shape[-1] // 2
    rows, cosines, sines = x[0], cos[0].unsqueeze(1).float(), sin[0].unsqueeze(1).float()
    for part in _pieces(x[0].flatten(1)):
        one = rows[part].float()  # (n, heads, d)
        c, s = cosines[part], sines[part][..., :half]
        turned = one * c
        turned[..., :half].addcmul_(one[..., half:], s, value=-direction)
        turned[..., half:].addcmul_(one[..., :half], s, value=direction)
        output[0][part] = turned
    return output


def _pieces(flat: Tensor) -> Iterator[slice]:
    """Rows of (N, D) that stay in the cache."""
    step = max(1, _PIECE // flat.shape[-1])
    return (slice(start, start + step) for start in range(0, flat.shape[0], step))


def _product_dtype(x: Tensor) -> torch.dtype:
    if torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    return x.dtype
