# SPDX-License-Identifier: Apache-2.0
"""The two kinds of open_clip's visual halves that we read: ViT and ResNet.

Each tells how many layers it has, what grid of features one of them gives, how wide they are,
and computes them. Layers are counted from the end: -1 is the last.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor


class VisualEncoder(ABC):
    """What a tower asks of open_clip's model.

    Args:
        visual: the visual half.
    """

    def __init__(self, visual: Any) -> None:
        self._visual = visual

    @property
    def input_weight(self) -> Tensor:
        """The weight that pixels meet; they come in its dtype, to its device."""
        weight: Tensor = self._visual.conv1.weight
        return weight

    @property
    @abstractmethod
    def layers(self) -> int:
        """How many layers can be read."""

    @property
    @abstractmethod
    def image_size(self) -> tuple[int, int]:
        """Height and width of the input, in pixels."""

    @abstractmethod
    def grid(self, layer: int) -> tuple[int, int]:
        """Rows and columns of features of a layer."""

    @abstractmethod
    def width(self, layer: int) -> int:
        """Width of a feature of a layer (C)."""

    @abstractmethod
    def encode(self, pixel_values: Tensor, layer: int) -> Tensor:
        """(B, 3, H, W) to (B, P, C), row by row."""


class VisionTransformerEncoder(VisualEncoder):
    """open_clip's VisionTransformer: blocks of one width; the class token is left out."""

    @property
    def layers(self) -> int:
        return len(self._visual.transformer.resblocks)

    @property
    def image_size(self) -> tuple[int, int]:
        height, width = self._visual.image_size
        return int(height), int(width)

    def grid(self, layer: int) -> tuple[int, int]:
        rows, columns = self._visual.grid_size
        return int(rows), int(columns)

    def width(self, layer: int) -> int:
        return int(self._visual.conv1.out_channels)

    def encode(self, pixel_values: Tensor, layer: int) -> Tensor:
        output = self._visual.forward_intermediates(
            pixel_values,
            indices=[layer],
            stop_early=True,
            normalize_intermediates=False,
            intermediates_only=True,
            output_fmt="NLC",
        )
        features: Tensor = output["image_intermediates"][0]
        return features


class ResNetEncoder(VisualEncoder):
    """open_clip's ModifiedResNet: four layers, each of half the grid of the one before."""

    def __init__(self, visual: Any) -> None:
        super().__init__(visual)
        self._stages = (visual.layer1, visual.layer2, visual.layer3, visual.layer4)

    @property
    def layers(self) -> int:
        return len(self._stages)

    @property
    def image_size(self) -> tuple[int, int]:
        size = self._visual.image_size
        height, width = (size, size) if isinstance(size, int) else size
        return int(height), int(width)

    def grid(self, layer: int) -> tuple[int, int]:
        stride = 32 >> (-1 - layer)  # of the last layer 32 pixels
        height, width = self.image_size
        return height // stride, width // stride

    def width(self, layer: int) -> int:
        return int(self._stages[layer][-1].bn3.num_features)

    def encode(self, pixel_values: Tensor, layer: int) -> Tensor:
        features: Tensor = self._visual.stem(pixel_values)
        for stage in self._stages[: len(self._stages) + 1 + layer]:
            features = stage(features)
        return features.flatten(2).transpose(1, 2)  # (B, P, C)


def encoder_of(visual: Any) -> VisualEncoder:
    """How to read this visual half."""
    return ResNetEncoder(visual) if hasattr(visual, "layer4") else VisionTransformerEncoder(visual)
