# SPDX-License-Identifier: Apache-2.0
"""How much memory a run takes on one device: an estimate from sizes alone, part by part.

Weights, gradients and optimizer states are counted; activations are a model of what a LLaMA
layer keeps for the backward pass with attention that keeps no scores. The CUDA context, buffers
of collectives and fragmentation are one flat share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from yuren_train.config import TrainConfig
from yuren_train.config.model_shape import ModelShape
from yuren_train.training.deepspeed_config import zero_placement

_STATE_BYTES = {"adamw": 8, "adamw_8bit": 2, "paged_adamw_8bit": 2}
_NF4_BYTES = 0.5 + 0.127 / 8  # four bits, and one doubly quantized scale for 64 weights
_OVERHEAD = 0.05
_BUCKET = 200_000_000  # elements, as in assets/deepspeed
_USABLE = 0.97  # of a card: the driver has the rest
_CONTEXT = {"cuda": 800 << 20, "cpu": 800 << 20}
"""The runtime itself: CUDA's context, or Python with torch and its libraries."""


CARDS = (8, 12, 16, 24, 32, 40, 48, 80, 141)
"""GB of the GPUs that people have."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes on one device, by what they are for; states may lie in the CPU's memory instead."""

    device: Mapping[str, int]
    offloaded: Mapping[str, int]

    @property
    def total(self) -> int:
        """On the device."""
        return sum(self.device.values())


def smallest_card(total: int) -> int | None:
    """GB of the smallest card that so many bytes fit on; None where there is none."""
    return next((card for card in CARDS if total <= card * 10**9 * _USABLE), None)


def trainable_parameters(config: TrainConfig, shape: ModelShape) -> int:
    """Parameters that learn: all, or LoRA's matrices and the control tokens' rows."""
    if config.stage == "stage2":
        return shape.projector_parameters
    if config.method == "full":
        return shape.parameters
    rows = 5 * shape.hidden_size * (1 if shape.is_tied else 2)
    lora = shape.lora_parameters(config.lora_rank, config.lora_targets)
    return lora + rows + (shape.projector_parameters if config.stage == "stage3" else 0)


def estimate_memory(
    config: TrainConfig, shape: ModelShape, *, world: int = 1, device: str = "cuda"
) -> Estimate:
    """What one of `world` devices holds at the peak of a step.

    Raises:
        UsageError: the run's DeepSpeed JSON cannot be read.
    """
    trained = trainable_parameters(config, shape)
    frozen = shape.parameters - (trained if config.method == "full" else 0)
    zero = zero_placement(config)
    stage = zero.stage
    computed = 2 if config.dtype == "bf16" else 4

    def share(size: float, from_stage: int) -> int:
        return round(size / world) if stage >= from_stage else round(size)

    if stage:  # 16-bit weights and gradients; fp32 sums of them; fp32 masters with the states
        weights = share(trained * computed, 3)
        gradients = share(trained * (computed + (4 if computed == 2 else 0)), 2)
        masters = 4 if computed == 2 else 0
        states = share(trained * (_STATE_BYTES[config.optimizer] + masters), 1)
    else:  # fp32 weights, and their 16-bit casts while a pass runs
        weights = trained * (4 + (computed if computed == 2 else 0))
        gradients, states = trained * 4, trained * _STATE_BYTES[config.optimizer]
    parts = {
        "frozen": share(_frozen_bytes(config, shape, frozen, computed), 3),
        "weights": weights,
        "gradients": gradients,
        "states": states,
        "activations": _activation_bytes(config, shape, computed),
        "loss": _loss_bytes(config, shape, computed),
        "buffers": _buffer_bytes(shape, trained, computed, stage),
    }
    offloaded: dict[str, int] = {}
    if zero.states_offloaded:
        offloaded["states"] = parts.pop("states")
        if stage > 1:
            offloaded["gradients"] = parts.pop("gradients")
    if zero.weights_offloaded:
        offloaded["weights"] = parts.pop("weights") + parts.pop("frozen")
    parts["overhead"] = round(sum(parts.values()) * _OVERHEAD) + _CONTEXT[device]
    return Estimate({name: size for name, size in parts.items() if size}, offloaded)


def _buffer_bytes(shape: ModelShape, trained: int, computed: int, stage: int) -> int:
    """What ZeRO collects gradients in, and at stage 3 weights: two layers and an embedding."""
    if not stage:
        return 0
    collected = 2 * min(_BUCKET, trained) * computed
    if stage < 3:
        return collected
    layers = 2 * shape.linear_parameters // shape.layers
    return collected + computed * (layers + shape.vocab_size * shape.hidden_size)


def _frozen_bytes(config: TrainConfig, shape: ModelShape, frozen: int, computed: int) -> float:
    if config.method != "qlora":
        return max(0, frozen) * computed
    return shape.linear_parameters * _NF4_BYTES + (frozen - shape.linear_parameters) * computed


def _activation_bytes(config: TrainConfig, shape: ModelShape, computed: int) -> int:
    """Of one micro-batch: what every layer keeps, or with checkpointing one layer and inputs."""
    tokens = config.max_length * config.batch_size
    heads = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    # Inputs of both norms and their normed outputs, projections with rotated copies, the
    # attention's output, gate, up, their product and its activation; residuals between them.
    layer = computed * (6 * shape.hidden_size + 3 * heads + 4 * shape.intermediate_size)
    if config.method != "full":  # the input of each LoRA's second matrix, and casts to fp32
        layer += 7 * config.lora_rank * (computed + 4)
    if config.gradient_checkpointing:
        return tokens * (shape.layers * computed * shape.hidden_size + layer)
    return tokens * shape.layers * layer


def _loss_bytes(config: TrainConfig, shape: ModelShape, computed: int) -> int:
    """A chunk of logits with its fp32 copy, and states at label positions."""
    rows = min((1 << 25) // shape.vocab_size, config.max_length * config.batch_size)
    tokens = config.max_length * config.batch_size
    learns = config.method == "full" and config.stage != "stage2"
    head = shape.vocab_size * shape.hidden_size * 4 if learns else 0
    return rows * shape.vocab_size * (computed + 4) + tokens * shape.hidden_size * 6 + head
