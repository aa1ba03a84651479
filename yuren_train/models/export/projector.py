# SPDX-License-Identifier: Apache-2.0
"""One linear projector as LLaVA's two layers with a GELU between them.

    GELU(x) - GELU(-x) = x * Phi(x) + x * Phi(-x) = x

so a first layer that gives x and -x, and a second that takes the one and subtracts the other,
is the identity in between, exactly but for rounding. It takes two inner values a feature: where
the language model is narrower than twice the tower, the activation is `linear` instead, which
transformers knows and other engines may not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class TwoLayers:
    """A projector from C over D to D.

    Attributes:
        activation: "gelu", or "linear" where the width does not suffice.
        first: weight (D, C) and bias (D,).
        second: weight (D, D) and bias (D,).
    """

    activation: str
    first: tuple[Tensor, Tensor]
    second: tuple[Tensor, Tensor]

    def tensors(self, first: str, second: str) -> dict[str, Tensor]:
        """By name: each layer's weight and bias."""
        pairs = ((first, self.first), (second, self.second))
        return {
            f"{name}.{leaf}": tensor
            for name, layer in pairs
            for leaf, tensor in zip(("weight", "bias"), layer, strict=True)
        }


def stock_layers(projector: nn.Module) -> tuple[nn.Linear, nn.Linear] | None:
    """The two layers of a projector that is LLaVA's own already."""
    match list(projector.children()):
        case [nn.Linear() as first, nn.GELU(), nn.Linear() as second]:
            return first, second
    return None


def has_room_for_gelu(projector: nn.Linear) -> bool:
    """Whether the stock form with a GELU can hold it."""
    return projector.out_features >= 2 * projector.in_features


@torch.no_grad()
def two_layers(projector: nn.Module) -> TwoLayers:
    """The two layers, in the dtype of the projector; a linear one's bias is the second's."""
    if stock := stock_layers(projector):
        (first, second) = ((layer.weight, layer.bias) for layer in stock)
        return TwoLayers("gelu", first, second)
    assert isinstance(projector, nn.Linear)
    weight, bias = projector.weight, projector.bias  # (D, C), (D,)
    width, features = weight.shape
    nothing = torch.zeros_like(bias)
    if not has_room_for_gelu(projector):
        return TwoLayers("linear", (weight, bias), (_identity(weight, width), nothing))
    one = _identity(weight, features)
    inner, outer = weight.new_zeros(width, features), weight.new_zeros(width, width)
    inner[: 2 * features] = torch.cat((one, -one))
    outer[:, : 2 * features] = torch.cat((weight, -weight), dim=1)
    return TwoLayers("gelu", (inner, nothing), (outer, bias))


@torch.no_grad()
def free_layers(projector: nn.Module) -> TwoLayers:
    """The two layers where the inner width is free: (2C, C) and (D, 2C) of a linear one."""
    if not isinstance(projector, nn.Linear):
        return two_layers(projector)
    weight = projector.weight
    one = _identity(weight, weight.shape[1])
    nothing = weight.new_zeros(2 * weight.shape[1])
    return TwoLayers(
        "gelu",
        (torch.cat((one, -one)), nothing),
        (torch.cat((weight, -weight), dim=1), projector.bias),
    )


def _identity(like: Tensor, size: int) -> Tensor:
    return torch.eye(size, dtype=like.dtype, device=like.device)
