# SPDX-License-Identifier: Apache-2.0
"""One linear layer is two with a GELU between, but for rounding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from yuren_train.models.export.projector import TwoLayers, free_layers, two_layers


def applied(layers: TwoLayers, x: Tensor) -> Tensor:
    inner = nn.functional.linear(x, *layers.first)
    if layers.activation == "gelu":
        inner = nn.functional.gelu(inner)
    return nn.functional.linear(inner, *layers.second)


def made(features: int, width: int, dtype: torch.dtype = torch.float32) -> tuple[nn.Linear, Tensor]:
    torch.manual_seed(3)
    x = torch.randn(50, features) * torch.logspace(-4, 3, 50)[:, None]  # from tiny to vast
    return nn.Linear(features, width).to(dtype), x.to(dtype)


@pytest.mark.parametrize(
    ("features", "width", "activation"),
    [(8, 16, "gelu"), (8, 40, "gelu"), (8, 15, "linear"), (20, 12, "linear")],
)
def test_it_computes_the_same(features: int, width: int, activation: str) -> None:
    projector, x = made(features, width)
    layers = two_layers(projector)
    assert layers.activation == activation
    assert [t.shape for t in (*layers.first, *layers.second)] == [
        (width, features),
        (width,),
        (width, width),
        (width,),
    ]
    torch.testing.assert_close(applied(layers, x), projector(x), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("width", [12, 40])
def test_with_a_free_inner_width_any_goes_into_a_gelu(width: int) -> None:
    projector, x = made(8, width)
    layers = free_layers(projector)
    assert (layers.activation, layers.first[0].shape) == ("gelu", (16, 8))
    torch.testing.assert_close(applied(layers, x), projector(x), rtol=2e-5, atol=2e-5)


def test_llavas_own_two_layers_stay_as_they_are() -> None:
    first, x = made(8, 12)
    projector = nn.Sequential(first, nn.GELU(), nn.Linear(12, 12))
    for layers in (two_layers(projector), free_layers(projector)):
        torch.testing.assert_close(applied(layers, x), projector(x))


def test_in_bf16_it_errs_as_bf16_does() -> None:
    projector, x = made(8, 16, torch.bfloat16)
    exact = nn.functional.linear(x.double(), projector.weight.double(), projector.bias.double())
    apart = (applied(two_layers(projector), x) - exact).abs()
    size = x.double().abs() @ projector.weight.double().abs().T + 1  # of what is summed
    assert float((apart / size).max()) < 2 * torch.finfo(torch.bfloat16).eps
