# SPDX-License-Identifier: Apache-2.0
"""8-bit on the CPU: rounding at the size it promises, few rows and many rows alike."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from yuren_core.errors import UsageError
from yuren_core.model.quantization import Int8Linear, choose_precision, replace_linears


def make(in_features: int = 64, out_features: int = 48) -> tuple[nn.Linear, Int8Linear]:
    torch.manual_seed(0)
    linear = nn.Linear(in_features, out_features).to(torch.bfloat16)
    layer = Int8Linear(in_features, out_features, bias=True, dtype=torch.bfloat16)
    layer.quantize(linear.weight.data)
    layer.bias = nn.Parameter(linear.bias.detach().clone())
    return linear, layer


def test_weights_are_restored_within_half_a_step() -> None:
    linear, layer = make()
    restored = layer.weight.float() * layer.scale.float().unsqueeze(1)
    half_step = layer.scale.float().unsqueeze(1) / 2
    # the scale is rounded to bf16, so the largest weight of a row may be clipped by 0.4 %
    slack = linear.weight.float().abs().amax(dim=1, keepdim=True) * 2**-8
    assert bool(((restored - linear.weight.float()).abs() <= half_step + slack).all())


@pytest.mark.parametrize("rows", [1, 3, 31, 32, 100])
@pytest.mark.parametrize("width", [64, 60, 8, 100])  # the kernel itself wants multiples of 16
def test_products_are_near_for_few_and_many_rows(rows: int, width: int) -> None:
    linear, layer = make(width)
    x = torch.randn(2, rows, width, dtype=torch.bfloat16)
    exact = linear.float()(x.float())
    got = layer(x)
    assert got.shape == (2, rows, 48)
    assert got.dtype == torch.bfloat16
    assert (got.float() - exact).norm() / exact.norm() < 0.015


def test_a_row_of_zeros_stays_zero() -> None:
    layer = Int8Linear(8, 2, bias=False, dtype=torch.bfloat16)
    layer.quantize(torch.zeros(2, 8))
    assert torch.equal(layer(torch.ones(1, 8, dtype=torch.bfloat16)), torch.zeros(1, 2).bfloat16())


def test_replacing_leaves_what_is_to_be_skipped() -> None:
    precision = choose_precision("8bit", "cpu")
    with torch.device("meta"):
        model = nn.ModuleDict({"q_proj": nn.Linear(4, 4), "mm_projector": nn.Linear(4, 4)})
    replace_linears(model, precision, skip=("mm_projector",))
    assert isinstance(model["q_proj"], Int8Linear)
    assert type(model["mm_projector"]) is nn.Linear


def test_what_a_load_comes_to() -> None:
    assert choose_precision("bf16", "cpu").dtype == torch.bfloat16
    assert choose_precision("8bit", "cpu").scheme == "int8"
    assert choose_precision("4bit", "cpu").scheme == "nf4"
    assert choose_precision("auto", "cpu").name in ("bf16", "fp32")
    if not torch.backends.mps.is_available():
        with pytest.raises(UsageError, match="no Apple GPU"):
            choose_precision("auto", "mps")
