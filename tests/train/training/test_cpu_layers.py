# SPDX-License-Identifier: Apache-2.0
"""The CPU's forms of LLaMA's layers against transformers' own: values and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import (
    LlamaMLP,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
    apply_rotary_pos_emb,
)

from yuren_train.training import cpu_layers
from yuren_train.training.cpu_layers import CpuMLP, CpuRMSNorm, use_cpu_layers


@pytest.fixture(autouse=True)
def several_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_layers, "_PIECE", 100)


def results(module: Any, x: Tensor) -> list[Tensor]:
    """The output, then the gradients of input and parameters."""
    x = x.detach().requires_grad_()
    output = module(x)
    weights = torch.linspace(-1, 1, output.numel()).view_as(output).to(output.dtype)
    inputs = [x, *module.parameters()]
    return [output, *torch.autograd.grad((output * weights).sum(), inputs)]


def same(one: list[Tensor], other: list[Tensor], **tolerance: float) -> None:
    for left, right in zip(one, other, strict=True):
        torch.testing.assert_close(left.float(), right.float(), **tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norm(dtype: torch.dtype) -> None:
    plain = LlamaRMSNorm(24).to(dtype)
    torch.nn.init.normal_(plain.weight)
    fast = CpuRMSNorm(24).to(dtype)
    fast.load_state_dict(plain.state_dict())
    x = torch.randn(2, 11, 24).to(dtype)
    loose = {"rtol": 2e-2, "atol": 4e-2} if dtype == torch.bfloat16 else {}
    same(results(fast, x), results(plain, x), **loose)


def test_norm_gives_what_autocast_wants() -> None:
    norm = CpuRMSNorm(24)
    with torch.autocast("cpu", torch.bfloat16):
        output = norm(torch.randn(1, 5, 24, requires_grad=True))
    assert output.dtype == torch.bfloat16
    output.sum().backward()
    assert norm.weight.grad is not None
    assert norm.weight.grad.dtype == torch.float32


def test_mlp() -> None:
    config = LlamaConfig(hidden_size=24, intermediate_size=40, num_attention_heads=4)
    plain, fast = LlamaMLP(config), CpuMLP(config)
    fast.load_state_dict(plain.state_dict())
    x = torch.randn(2, 11, 24)
    same(results(fast, x), results(plain, x))


def test_rotary() -> None:
    config = LlamaConfig(hidden_size=32, num_attention_heads=4)
    x = torch.randn(1, 13, 4, 8, requires_grad=True)
    positions = torch.cat([torch.arange(8), torch.arange(5)])[None]
    cos, sin = LlamaRotaryEmbedding(config)(x, positions)
    plain, _ = apply_rotary_pos_emb(x.transpose(1, 2), x.transpose(1, 2), cos, sin)
    turned: Tensor = cpu_layers._Rotary.apply(x, cos, sin)
    torch.testing.assert_close(turned.transpose(1, 2), plain)
    weights = torch.randn(1, 13, 4, 8)
    (wanted,) = torch.autograd.grad((plain.transpose(1, 2) * weights).sum(), x)
    (found,) = torch.autograd.grad((turned * weights).sum(), x)
    torch.testing.assert_close(found, wanted)


def test_layers_change_their_class_and_nothing_else(text_model: Any) -> None:
    from yuren_core.model.loading import load_model

    model = load_model(str(text_model), load="fp32", device="cpu").model
    ids = torch.arange(3, 60)[None]
    names, before = list(model.state_dict()), model(ids).logits
    use_cpu_layers(model)
    assert list(model.state_dict()) == names
    torch.testing.assert_close(model(ids).logits, before)
