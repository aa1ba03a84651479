# SPDX-License-Identifier: Apache-2.0
"""The eye: open_clip's image encoder, (B, 3, H, W) -> (B, P, C).

What it gives are the hidden states behind one layer, without the class token, before any final
norm, pooling or projection: of a ViT what LLaVA reads as `hidden_states[-2]`, of a ResNet the
cells of a layer's grid. It is always frozen and in eval mode. Only the visual half of a CLIP is
ever built. A timm model is refused. `open_clip` is imported on first use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from yuren_core.errors import ModelFormatError, ModelNotFoundError, StorageError
from yuren_core.i18n import tr
from yuren_core.model.open_clip_files import (
    CONFIG_NAME,
    VISUAL_PREFIX,
    WEIGHTS_NAME,
    build_transform,
    build_visual,
    fetch,
    read_config,
    read_weights,
)
from yuren_core.model.visual_encoders import encoder_of
from yuren_core.paths import atomic_write, storing

if TYPE_CHECKING:
    from PIL.Image import Image

_LOCAL_PREFIX = "local-dir:"
_LONGEST_ASPECT = 100  # how many times longer than wide a picture may be


class VisionTower(nn.Module):
    """A frozen CLIP image encoder that turns pictures into patch features.

    Args:
        visual: open_clip's VisionTransformer or ModifiedResNet.
        config: `model_cfg` and `preprocess_cfg`, as open_clip_config.json has them.
        select_layer: the layer whose output is read, counted from the end: -1 is the last.

    Raises:
        ModelFormatError: the tower has no such layer, or its preprocessing is not known.
    """

    def __init__(self, visual: Any, config: Mapping[str, Any], select_layer: int = -2) -> None:
        super().__init__()
        self.visual = visual
        self._encoder = encoder_of(visual)
        layers = self._encoder.layers
        if not -layers <= select_layer <= -1:
            raise ModelFormatError(
                tr("error.tower.layer", layers=layers, layer=select_layer),
                tr("error.tower.layer_hint", layers=layers),
            )
        self.select_layer = select_layer
        self._config = deepcopy(dict(config))
        self._transform = build_transform(config, self.image_size)
        self.requires_grad_(False)
        self.eval()

    @classmethod
    def from_directory(
        cls, path: Path | str, select_layer: int = -2, *, dtype: torch.dtype = torch.float32
    ) -> Self:
        """Read a tower from open_clip's local-dir layout.

        Args:
            path: a directory with `open_clip_config.json` and `open_clip_model.safetensors`; the
                latter holds a whole CLIP or only its `visual.*`.
            select_layer: as for the class.
            dtype: of the weights in memory, whatever the file has.

        Raises:
            ModelFormatError: no such files, or a tower of another kind.
            DamagedCheckpointError: a file that is cut off or unreadable.
        """
        directory = Path(path)
        config = read_config(directory / CONFIG_NAME)
        weights = read_weights(directory / WEIGHTS_NAME, dtype)
        return cls(build_visual(config, weights, str(directory)), config, select_layer)

    @classmethod
    def from_name(
        cls, ref: str, select_layer: int = -2, *, dtype: torch.dtype = torch.float32
    ) -> Self:
        """Read a tower by its name, fetching it where it is not cached.

        Args:
            ref: `hf-hub:ORG/NAME`, `ARCH/TAG` of open_clip's own list such as
                `ViT-L-14/datacomp_xl_s13b_b90k`, or a directory.
            select_layer: as for the class.
            dtype: of the weights in memory.

        Raises:
            ModelNotFoundError: no such directory, architecture or tag.
            DownloadError: the network failed, or the hub has no such model.
            UnsafeCheckpointError: a pickle that wants more than tensors.
            ModelFormatError, DamagedCheckpointError: as `from_directory`.
        """
        directory = ref.removeprefix(_LOCAL_PREFIX)
        if directory and Path(directory).is_dir():
            return cls.from_directory(directory, select_layer, dtype=dtype)
        if ref.startswith((_LOCAL_PREFIX, "/", ".", "~")):
            raise ModelNotFoundError(
                tr("error.tower.absent", path=directory), tr("error.tower.absent_hint")
            )
        config, file = fetch(ref)
        return cls(build_visual(config, read_weights(file, dtype), ref), config, select_layer)

    @classmethod
    def from_clip(
        cls,
        ref: str,
        select_layer: int = -2,
        *,
        dtype: torch.dtype = torch.float32,
        pads: bool = False,
    ) -> Self:
        """Read a `CLIPVisionModel` of transformers.

        Args:
            ref: a directory, or ORG/NAME of the hub.
            select_layer: as for the class.
            dtype: of the weights in memory.
            pads: make pictures square with the mean colour; they are cropped otherwise.

        Raises:
            DownloadError: the network failed, or the hub has no such model.
            ModelFormatError, DamagedCheckpointError, UnsafeCheckpointError: what lies there is
                no such tower.
        """
        from yuren_core.model.clip_files import read_clip

        config, weights = read_clip(ref, dtype, pads=pads)
        return cls(build_visual(config, weights, ref), config, select_layer)

    @property
    def config(self) -> dict[str, Any]:
        """A copy of `model_cfg` and `preprocess_cfg`."""
        return deepcopy(self._config)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the input, in pixels."""
        return self._encoder.image_size

    @property
    def num_patches(self) -> int:
        """Features of one picture (P)."""
        rows, columns = self._encoder.grid(self.select_layer)
        return rows * columns

    @property
    def hidden_size(self) -> int:
        """Width of a feature (C)."""
        return self._encoder.width(self.select_layer)

    def preprocess(self, images: Sequence[Image]) -> Tensor:
        """Resize, crop and normalise as open_clip does at evaluation.

        A picture over a hundred times as long as wide is first cut to its middle: a hairline
        would be resized to gigabytes, or to no height at all.

        Args:
            images: RGB pictures of any size.

        Returns:
            `pixel_values`, (B, 3, H, W) fp32, on the CPU.
        """
        if not images:
            return torch.empty(0, 3, *self.image_size)
        return torch.stack([self._transform(self._bounded(image)) for image in images])

    @torch.no_grad()
    def forward(self, pixel_values: Tensor) -> Tensor:
        """Encode pictures.

        Args:
            pixel_values: (B, 3, H, W), any float dtype, on any device.

        Returns:
            (B, P, C) in the tower's dtype and on its device.
        """
        weight = self._encoder.input_weight
        if not len(pixel_values):  # open_clip cannot reshape nothing
            return weight.new_empty(0, self.num_patches, self.hidden_size)
        return self._encoder.encode(pixel_values.to(weight), self.select_layer)

    def train(self, mode: bool = True) -> Self:
        """Stays in eval mode, whatever the model around it does."""
        return super().train(False)

    def save(self, directory: Path | str) -> None:
        """Write config and `visual.*` so that `from_directory` reads them.

        Args:
            directory: made where it is not there.

        Raises:
            StorageError: it cannot be written.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        target = Path(directory)
        weights = {
            f"{VISUAL_PREFIX}{name}": tensor.detach().cpu().contiguous()
            for name, tensor in self.visual.state_dict().items()
        }
        with storing(target):
            target.mkdir(parents=True, exist_ok=True)
            try:
                save_file(weights, target / WEIGHTS_NAME, metadata={"format": "pt"})
            except SafetensorError as error:
                raise StorageError(
                    tr("error.tower.unwritable", path=target / WEIGHTS_NAME, reason=error),
                    tr("error.tower.unwritable_hint"),
                ) from error
        atomic_write(target / CONFIG_NAME, json.dumps(self._config, indent=2) + "\n")

    def _bounded(self, image: Image) -> Image:
        """The middle of a picture whose sides differ too much to be resized."""
        width, height = image.size
        longest = min(width, height) * min(_LONGEST_ASPECT, *self.image_size)
        left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
        return image.crop((left, top, width - left, height - top)) if left or top else image
