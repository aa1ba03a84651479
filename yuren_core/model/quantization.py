# SPDX-License-Identifier: Apache-2.0
"""How weights are held on which device: bf16, fp32, 8-bit, 4-bit; and what is refused.

8-bit on CUDA is bitsandbytes' LLM.int8(); on CPU it is `Int8Linear`, weights rounded per output
row and multiplied by torch's own kernel. 4-bit is bitsandbytes' nf4 on both. Embeddings, norms
and the projector are never quantized.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.protocol import Device, LoadMode

Scheme = Literal["none", "int8", "llm_int8", "nf4"]

_DEQUANTIZE_FROM = 32  # rows; from here on a plain bf16 product of restored weights is faster
_KERNEL_WIDTH = 16  # torch's int8 kernel reads rows in such steps, beyond their end if need be


@dataclass(frozen=True, slots=True)
class Precision:
    """What a load comes to: where, in which dtype, and how linear weights are held."""

    device: torch.device
    dtype: torch.dtype
    scheme: Scheme
    name: Literal["bf16", "fp32", "8bit", "4bit"]


def choose_precision(load: LoadMode, device: Device) -> Precision:
    """Decide before any weight is read.

    Args:
        load: what was asked for; "auto" is bf16 where the processor computes in it, else fp32.
        device: what was asked for; "auto" is CUDA, then Apple's MPS, then the CPU.

    Raises:
        UsageError: the device is not there, or cannot hold weights that way.
    """
    where = _choose_device(device)
    if load in ("8bit", "4bit") and where.type == "mps":
        raise UsageError(
            tr("error.precision.mps_quantized", load=load),
            tr("error.precision.mps_quantized_hint"),
        )
    name = load if load != "auto" else ("bf16" if _computes_in_bf16(where) else "fp32")
    scheme: Scheme = "none"
    if name == "8bit":
        scheme = "llm_int8" if where.type == "cuda" else "int8"
    elif name == "4bit":
        scheme = "nf4"
    dtype = torch.float32 if name == "fp32" else torch.bfloat16
    return Precision(where, dtype, scheme, name)


def _choose_device(device: Device) -> torch.device:
    has_mps = torch.backends.mps.is_available()
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(tr("error.precision.no_cuda"), tr("error.precision.no_cuda_hint"))
    if device == "mps" and not has_mps:
        raise UsageError(tr("error.precision.no_mps"), tr("error.precision.no_mps_hint"))
    return torch.device(device)


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return True
    capability = torch.backends.cpu.get_cpu_capability()
    return capability.startswith("SVE") or torch.cpu._is_avx512_bf16_supported()


class Int8Linear(nn.Module):
    """A linear layer with weights in 8 bits, one scale per output row; for the CPU.

    Symmetric absolute-maximum rounding: w is about weight * scale, |weight| at most 127.
    """

    weight: Tensor  # (N, K) int8
    scale: Tensor  # (N,) in the dtype of the activations

    def __init__(self, in_features: int, out_features: int, *, bias: bool, dtype: torch.dtype):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.register_buffer("weight", torch.empty(out_features, in_features, dtype=torch.int8))
        self.register_buffer("scale", torch.empty(out_features, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(out_features, dtype=dtype)) if bias else None
        self._fits_kernel = dtype == torch.bfloat16 and in_features % _KERNEL_WIDTH == 0

    def quantize(self, weight: Tensor) -> None:
        """Take over the weights of a plain layer, (N, K) of any float dtype."""
        rows = weight.float()
        scale = (rows.abs().amax(dim=1, keepdim=True) / 127).clamp_min(1e-12)  # (N, 1)
        scale = scale.to(self.scale.dtype).float()  # round with the scale that is used later
        self.weight = (rows / scale).round().clamp(-127, 127).to(torch.int8)
        self.scale = scale.squeeze(1).to(self.scale.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) to (..., N), in the dtype of `x`."""
        flat = x.reshape(-1, self.in_features)  # (M, K)
        if self._fits_kernel and flat.shape[0] < _DEQUANTIZE_FROM:
            product = torch._weight_int8pack_mm(flat.contiguous(), self.weight, self.scale)
        else:
            restored = self.weight.to(x.dtype) * self.scale.unsqueeze(1)
            product = flat @ restored.T
        if self.bias is not None:
            product = product + self.bias
        return product.reshape(*x.shape[:-1], self.out_features)


def replace_linears(model: nn.Module, precision: Precision, *, skip: tuple[str, ...]) -> None:
    """Put quantized layers, still without weights, in the places of plain ones.

    Args:
        model: on the meta device.
        precision: where the scheme comes from; "none" changes nothing.
        skip: name endings of layers that stay as they are.
    """
    if precision.scheme == "none":
        return
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear and not name.endswith(skip):
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, _empty_layer(module, precision))


def _empty_layer(linear: nn.Linear, precision: Precision) -> nn.Module:
    bias = linear.bias is not None
    if precision.scheme == "int8":
        with torch.device("meta"):
            return Int8Linear(
                linear.in_features, linear.out_features, bias=bias, dtype=precision.dtype
            )
    import bitsandbytes as bnb

    if precision.scheme == "llm_int8":
        layer = bnb.nn.Linear8bitLt(
            linear.in_features,
            linear.out_features,
            bias=bias,
            has_fp16_weights=False,
            threshold=6.0,
            device="meta",
        )
    else:
        layer = bnb.nn.Linear4bit(
            linear.in_features,
            linear.out_features,
            bias=bias,
            compute_dtype=precision.dtype,
            quant_type="nf4",
            device="meta",
        )
    return layer.requires_grad_(False)  # type: ignore[no-any-return]


def load_quantized(module: nn.Module, weight: Tensor, precision: Precision) -> bool:
    """Quantize `weight` into a layer of `replace_linears`.

    Args:
        module: any module.
        weight: (N, K), in the dtype of the activations, on the CPU.
        precision: device and scheme.

    Returns:
        False where `module` is no such layer; nothing was done then.
    """
    if isinstance(module, Int8Linear):
        module.quantize(weight)
        return True
    if precision.scheme not in ("llm_int8", "nf4"):
        return False
    import bitsandbytes as bnb

    if isinstance(module, bnb.nn.Linear8bitLt):
        module.weight = bnb.nn.Int8Params(weight, requires_grad=False, has_fp16_weights=False).to(
            precision.device
        )
        return True
    if isinstance(module, bnb.nn.Linear4bit):
        module.weight = bnb.nn.Params4bit(
            weight, requires_grad=False, quant_type="nf4", module=module
        ).to(precision.device)
        return True
    return False


def keep_trainable(model: nn.Module) -> None:
    """Keep bitsandbytes from repacking 4-bit weights for CPU inference.

    It does so at the first forward pass in eval mode on AVX512-BF16, for good: from then on no
    gradient goes through the layer, and its scales have lost bits.
    """
    for module in model.modules():
        if "support_avx512bf16_for_cpu" in vars(module):
            vars(module)["support_avx512bf16_for_cpu"] = False


def nf4_and_back(weight: Tensor, device: torch.device) -> Tensor:
    """What a 4-bit layer computes with in place of `weight`: (N, K) fp32, on the CPU."""
    import bitsandbytes as bnb

    rounded = weight.to(torch.bfloat16)
    held = bnb.nn.Params4bit(rounded, requires_grad=False, quant_type="nf4").to(device)
    restored: Tensor = bnb.functional.dequantize_4bit(held.data, held.quant_state)
    return restored.float().cpu()
