# SPDX-License-Identifier: Apache-2.0
"""A LoRA put on the weights of its base.

The product of the two matrices is added to each weight in fp32, before the weight is cast or
rounded. Only 4-bit layers keep theirs beside them: the steps of nf4 are coarser than most of
what was learned, so rounding the sum again would undo it. An adapter that was trained on 4-bit
weights meets these in every precision: it has learned to make up for their errors. An adapter
is put on whole or not at all. Its files are read by `yuren_core.model.adapter_files`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from yuren_core.errors import ModelFormatError
from yuren_core.i18n import tr


@dataclass(slots=True)
class Adapter:
    """What an adapter directory holds; tensors are on the CPU, in the dtype of the file.

    Attributes:
        directory: where it was read.
        base: `base_model_name_or_path`, as it is written.
        trained_in_4bit: whether the base was held in 4 bits while this was trained, as far as
            the adapter says.
        pairs: for each linear layer A (r, K) and B (N, r).
        scales: for each linear layer the factor of B @ A.
        rows: for each matrix, "...weight", the ids (R,) and the rows (R, D) of trained tokens.
        replaced: the projector's tensors, by name.
        unused: names of all these that have not been put on a base yet.
    """

    directory: Path
    base: str
    trained_in_4bit: bool = False
    pairs: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)
    rows: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    replaced: dict[str, Tensor] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)

    def rename(self, ours: Callable[[str], str]) -> None:
        """Give every layer our name, where the base's files have others."""
        self.pairs = {ours(name): pair for name, pair in self.pairs.items()}
        self.scales = {ours(name): scale for name, scale in self.scales.items()}
        self.rows = {ours(name): rows for name, rows in self.rows.items()}
        self.unused = {ours(name) for name in self.unused}

    def merge(self, name: str, weight: Tensor, *, keep_apart: bool = False) -> Tensor:
        """What a tensor of the base becomes.

        Args:
            name: "...weight" or "...bias".
            weight: the base's, not changed.
            keep_apart: leave out the matrices, since `attach` puts them beside the layer.

        Returns:
            fp32 where something was added, else `weight` itself or what replaces it.

        Raises:
            ModelFormatError: the shapes do not fit.
        """
        if name in self.replaced:
            self.unused.discard(name)
            return self._fitting(name, self.replaced[name], tuple(weight.shape))
        layer = name.removesuffix(".weight")
        if layer in self.pairs and layer != name and not keep_apart:
            self.unused.discard(layer)
            a, b = self._fitting_pair(layer, tuple(weight.shape))
            weight = torch.addmm(weight.float(), b.float(), a.float(), alpha=self.scales[layer])
        if name in self.rows:
            self.unused.discard(name)
            ids, rows = self.rows[name]
            self._fitting(name, rows, (len(ids), weight.shape[1]))
            if len(ids) and int(ids.max()) >= weight.shape[0]:
                raise self._misfit(name, f"[{int(ids.max())}]", tuple(weight.shape))
            weight = weight.float().index_copy(0, ids, rows.float())
        return weight

    def attach(self, model: nn.Module, dtype: torch.dtype) -> None:
        """Put what `merge` has left out beside the layers, for good.

        Raises:
            ModelFormatError: the model lacks a layer that the adapter has, or shapes do not fit.
        """
        for layer in sorted(self.unused & self.pairs.keys()):
            try:
                linear: Any = model.get_submodule(layer)
            except AttributeError:
                break
            a, b = self._fitting_pair(layer, (linear.out_features, linear.in_features))
            parent, _, leaf = layer.rpartition(".")
            beside = LoraLinear(linear, a, b, scale=self.scales[layer], dtype=dtype)
            setattr(model.get_submodule(parent), leaf, beside)
            self.unused.discard(layer)
        if self.unused:
            raise ModelFormatError(
                tr("error.adapter.unused", path=self.directory, name=min(self.unused)),
                tr("error.adapter.shape_hint", base=self.base),
            )

    def _fitting_pair(self, layer: str, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        a, b = self.pairs[layer]
        if len(shape) != 2 or (b.shape[0], a.shape[1]) != shape:
            raise self._misfit(layer, (b.shape[0], a.shape[1]), shape)
        return a, b

    def _fitting(self, name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        if tuple(tensor.shape) != shape:
            raise self._misfit(name, tuple(tensor.shape), shape)
        return tensor

    def _misfit(self, name: str, found: object, wanted: object) -> ModelFormatError:
        return ModelFormatError(
            tr("error.adapter.shape", path=self.directory, name=name, found=found, wanted=wanted),
            tr("error.adapter.shape_hint", base=self.base),
        )


class LoraLinear(nn.Module):
    """A frozen linear layer, and a low-rank one beside it.

    Args:
        linear: any linear layer, (..., K) to (..., N).
        a: (r, K).
        b: (N, r).
        scale: factor of b @ a.
        dtype: of the activations.
    """

    def __init__(
        self, linear: nn.Module, a: Tensor, b: Tensor, *, scale: float, dtype: torch.dtype
    ) -> None:
        super().__init__()
        device = next(linear.parameters()).device
        self.linear: Any = linear
        self.a = nn.Parameter(a.to(device, dtype), requires_grad=False)
        self.b = nn.Parameter((b.float() * scale).to(device, dtype), requires_grad=False)

    @property
    def weight(self) -> Tensor:
        """The frozen layer's own."""
        weight: Tensor = self.linear.weight
        return weight

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) to (..., N)."""
        product: Tensor = self.linear(x)
        return product + nn.functional.linear(nn.functional.linear(x, self.a), self.b)
