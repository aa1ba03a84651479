# SPDX-License-Identifier: Apache-2.0
"""GGUF files, written one tensor at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter, LlamaFileType, quants
from torch import Tensor

from yuren_core.errors import UsageError
from yuren_core.i18n import tr

GgufDtype = Literal["f16", "bf16", "q8_0"]

_TYPES = {
    "f16": GGMLQuantizationType.F16,
    "bf16": GGMLQuantizationType.BF16,
    "q8_0": GGMLQuantizationType.Q8_0,
}
_FILE_TYPES = {
    "f16": LlamaFileType.MOSTLY_F16,
    "bf16": LlamaFileType.MOSTLY_BF16,
    "q8_0": LlamaFileType.MOSTLY_Q8_0,
}
_F16_MAX = 65504.0


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor under its name in the file, and how it is held there."""

    name: str
    tensor: Tensor
    kind: GGMLQuantizationType

    @property
    def byte_shape(self) -> tuple[int, ...]:
        """Its shape with the last dimension in bytes."""
        block, size = GGML_QUANT_SIZES[self.kind]
        *outer, inner = self.tensor.shape
        return (*outer, inner // block * size)

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return math.prod(self.byte_shape)


def file_type(dtype: GgufDtype) -> int:
    """`general.file_type`."""
    return int(_FILE_TYPES[dtype])


def gguf_tensor(name: str, tensor: Tensor, dtype: GgufDtype) -> GgufTensor:
    """A tensor as a file of this dtype holds it: norms and biases in F32, rows that do not go
    into Q8_0's blocks of 32 in F16.

    Raises:
        UsageError: a weight is too large for F16.
    """
    kind = _TYPES[dtype] if tensor.ndim > 1 else GGMLQuantizationType.F32
    if kind is GGMLQuantizationType.Q8_0 and tensor.shape[-1] % GGML_QUANT_SIZES[kind][0]:
        kind = GGMLQuantizationType.F16
    if kind is GGMLQuantizationType.F16 and float(tensor.abs().max()) > _F16_MAX:
        raise UsageError(tr("error.export.f16_range", name=name), tr("error.export.f16_range_hint"))
    return GgufTensor(name, tensor, kind)


def write_gguf(
    path: Path,
    architecture: str,
    describe: Callable[[Any], None],
    tensors: Sequence[GgufTensor],
    tell: Callable[[float], None],
) -> None:
    """Write one file.

    Args:
        path: of the file.
        architecture: `general.architecture`.
        describe: adds the fields to gguf's writer.
        tensors: in order.
        tell: told which part of the bytes, 0 to 1, is written.

    Raises:
        OSError: the disk refuses.
    """
    writer = GGUFWriter(path, architecture)
    describe(writer)
    for item in tensors:
        writer.add_tensor_info(
            item.name, item.byte_shape, np.dtype(np.uint8), item.nbytes, raw_dtype=item.kind
        )
    total, done = sum(item.nbytes for item in tensors), 0
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for item in tensors:
            values = item.tensor.detach().to(torch.float32).contiguous().numpy()
            writer.write_tensor_data(quants.quantize(values, item.kind))
            done += item.nbytes
            tell(done / total)
    finally:
        writer.close()
