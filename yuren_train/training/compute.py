# SPDX-License-Identifier: Apache-2.0
"""How much a step computes, and how much a chip can: for MFU and for estimates of time."""

from __future__ import annotations

import time

from yuren_train.config import TrainConfig
from yuren_train.config.model_shape import ModelShape

_PEAK_TFLOPS = {
    # Dense bf16 products with fp32 sums, from the vendors' data sheets.
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "H800": 989.0,
    "H20": 148.0,
    "A100": 312.0,
    "A800": 312.0,
    "A40": 149.7,
    "A10G": 70.0,
    "A10": 125.0,
    "L40S": 362.0,
    "L4": 121.0,
    "RTX 5090": 209.5,
    "RTX 4090": 165.2,
    "RTX 4080": 97.5,
    "RTX 3090": 71.0,
    "RTX 6000 Ada": 182.1,
    "V100": 125.0,
}
_UTILIZATION = 0.4
"""What an estimate takes for the share of a chip's peak that training reaches."""
_CPU_UTILIZATION = 0.6
"""The same of what a CPU reaches in large products."""


def flops_per_token(
    config: TrainConfig, shape: ModelShape, length: int, *, learned: float = 1.0
) -> float:
    """Floating point operations of one token, forward and backward.

    Two for each weight forward; as many again for gradients of inputs, and for gradients of
    weights where these learn; gradient checkpointing computes the layers forward once more.
    Attention adds `4 * T/2 * heads * head_dim` a layer forward for causal rows of length T. The
    head multiplies at the share `learned` of the tokens alone.
    """
    attention = 2.0 * length * shape.heads * shape.head_dim * shape.layers
    layers = 2.0 * shape.linear_parameters + attention
    head = 2.0 * shape.vocab_size * shape.hidden_size
    passes = 3.0 if config.method == "full" and config.stage != "stage2" else 2.0
    again = 1.0 if config.gradient_checkpointing else 0.0
    return layers * (passes + again) + head * passes * learned


def peak_flops(device_name: str) -> float | None:
    """Of a known chip, per second in bf16; None for others."""
    for name, tflops in _PEAK_TFLOPS.items():
        if name in device_name:
            return tflops * 1e12
    return None


def measured_flops(seconds: float = 0.3, width: int = 1024) -> float:
    """What this machine's CPU reaches in bf16 products, per second; takes `seconds`."""
    import torch  # here alone: what reads a run's records needs none

    left = torch.ones(width, width, dtype=torch.bfloat16)
    torch.mm(left, left)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        torch.mm(left, left)
        count += 1
    return count * 2.0 * width**3 / (time.perf_counter() - start)


def estimated_seconds(
    config: TrainConfig, shape: ModelShape, *, tokens: float, world: int, device_name: str
) -> float | None:
    """How long a run takes, without evaluation and saving.

    Args:
        config: of the run.
        shape: of the model.
        tokens: that it reads, all epochs together.
        world: processes.
        device_name: the GPU's; empty for this machine's CPU, which is measured.

    Returns:
        Seconds, or None for a chip that we do not know.
    """
    if device_name:
        peak = peak_flops(device_name)
        speed = None if peak is None else peak * _UTILIZATION * world
    else:
        speed = measured_flops() * _CPU_UTILIZATION  # shared by all processes
    if speed is None:
        return None
    return tokens * flops_per_token(config, shape, config.max_length) / speed
