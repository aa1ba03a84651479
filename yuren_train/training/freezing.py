# SPDX-License-Identifier: Apache-2.0
"""What learns and what stays as it is, as a table that can be printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

PROJECTOR = "mm_projector"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a model.

    Attributes:
        name: of the module, without the layers' numbers: "layers.*.mlp".
        parameters: how many it has, shared ones counted once.
        trainable: how many of them learn.
    """

    name: str
    parameters: int
    trainable: int


@dataclass(frozen=True, slots=True)
class FreezingTable:
    """Every part of a model, in the order of its layers."""

    parts: tuple[Part, ...]

    @property
    def parameters(self) -> int:
        """All of the model's."""
        return sum(part.parameters for part in self.parts)

    @property
    def trainable(self) -> int:
        """Those that learn."""
        return sum(part.trainable for part in self.parts)

    def lines(self) -> Iterator[str]:
        """The table in plain text, a line a part."""
        width = max((len(part.name) for part in self.parts), default=0)
        for part in self.parts:
            yield f"{part.name:<{width}}  {part.parameters:>14,}  {part.trainable:>14,}"


def train_language_model(model: nn.Module) -> None:
    """All but the projector learns, which text says nothing to."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(PROJECTOR not in name)


def train_all(model: nn.Module) -> None:
    """The whole language model learns, projector included."""
    model.requires_grad_(True)


def train_projector_alone(model: nn.Module) -> None:
    """The projector learns, the rest is frozen."""
    model.requires_grad_(False)
    train_projector_too(model)


def train_projector_too(model: nn.Module) -> None:
    """The projector learns, in fp32; of the rest, what did so before."""
    for name, parameter in model.named_parameters():
        if PROJECTOR in name:
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)


def freezing_table(model: nn.Module) -> FreezingTable:
    """What learns in `model`, summed over its layers."""
    counts: dict[str, tuple[int, int]] = {}
    for name, parameter in model.named_parameters():
        part = _part_of(name)
        size = _size(parameter)
        total, trainable = counts.get(part, (0, 0))
        counts[part] = (total + size, trainable + (size if parameter.requires_grad else 0))
    return FreezingTable(tuple(Part(name, *both) for name, both in counts.items()))


def _size(parameter: nn.Parameter) -> int:
    """Weights in a parameter; bitsandbytes keeps two 4-bit ones in a byte."""
    state = getattr(parameter, "quant_state", None)
    if state is not None:
        return int(state.shape.numel())
    return int(getattr(parameter, "ds_numel", parameter.numel()))


def _part_of(name: str) -> str:
    """ "model.layers.3.mlp.up_proj.weight" -> "layers.*.mlp.up_proj"."""
    words = [word for word in name.split(".")[:-1] if word not in ("model", "base_model")]
    return ".".join("*" if word.isdecimal() else word for word in words)
