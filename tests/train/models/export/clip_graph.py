# SPDX-License-Identifier: Apache-2.0
"""What llama.cpp computes of an mmproj file, written again over the file's own tensors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from torch import Tensor, nn


class ClipGraph:
    """The graph of an mmproj file for LLaVA, over its tensors.

    Args:
        file: the mmproj.
        class_last: put the class token behind the patches, and still leave out the first row, as
            llama.cpp's own graph does (tools/mtmd/models/llava.cpp, b11549).
    """

    def __init__(self, file: Path, *, class_last: bool = False) -> None:
        self.class_last = class_last
        reader = GGUFReader(file)
        self.fields = {name: field.contents() for name, field in reader.fields.items()}
        self.tensors = {
            item.name: torch.from_numpy(
                np.array(dequantize(item.data, item.tensor_type), dtype=np.float32)
            )
            for item in reader.tensors
        }

    def run(self) -> Iterator[int]:
        """The blocks that are run: those named outright, else all but the last."""
        named = self.fields.get("clip.vision.feature_layer")
        last = self.fields["clip.vision.block_count"] - 1
        yield from range(named[0] if named else last)

    def linear(self, name: str, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])

    def norm(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        eps = self.fields["clip.vision.attention.layer_norm_epsilon"]
        return nn.functional.layer_norm(x, weight.shape, weight, bias, eps)

    def gelu(self, x: Tensor, *, quick: bool = False) -> Tensor:
        return x * torch.sigmoid(1.702 * x) if quick else nn.functional.gelu(x, approximate="tanh")

    def __call__(self, pixels: Tensor) -> Tensor:
        """(1, 3, H, W) to (P, D)."""
        t, quick = self.tensors, not self.fields["clip.use_gelu"]
        patch = self.fields["clip.vision.patch_size"]
        x = nn.functional.conv2d(pixels, t["v.patch_embd.weight"], stride=patch)
        patches, of_class = x[0].flatten(1).T, t["v.class_embd"][None]
        rows = (patches, of_class) if self.class_last else (of_class, patches)
        x = torch.cat(rows) + t["v.position_embd.weight"]
        x = self.norm("v.pre_ln", x)
        heads = self.fields["clip.vision.attention.head_count"]
        for i in self.run():
            at = f"v.blk.{i}."
            y = self.norm(f"{at}ln1", x)
            q, k, v = (
                self.linear(f"{at}attn_{n}", y).view(len(y), heads, -1).transpose(0, 1)
                for n in "qkv"
            )
            y = nn.functional.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1)
            x = x + self.linear(f"{at}attn_out", y)
            y = self.gelu(self.linear(f"{at}ffn_up", self.norm(f"{at}ln2", x)), quick=quick)
            x = x + self.linear(f"{at}ffn_down", y)
        return self.linear("mm.2", self.gelu(self.linear("mm.0", x[1:])))
