# SPDX-License-Identifier: Apache-2.0
"""What a training run is told: one frozen value, complete, with nothing left to guess.

Owns the names: a field here is the option on the command line (with hyphens), the key in YAML
and the key in `OUT/config.yaml`. `settling` fills it from the defaults of the model's size, a
YAML file and the command line; nothing else makes one, so that training code never asks where
a value came from. Imports no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Stage = Literal["stage1", "stage2", "stage3"]
Method = Literal["full", "lora", "qlora"]
Optimizer = Literal["adamw", "adamw_8bit", "paged_adamw_8bit"]
Schedule = Literal["cosine", "linear", "constant"]
Dtype = Literal["bf16", "fp32"]
Order = Literal["packed", "grouped", "shuffled"]
OnSpike = Literal["stop", "warn", "off"]

LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The seven projections of a LLaMA layer."""


@dataclass(frozen=True, slots=True)
class Source:
    """A data file and how often its rows count: 2.0 shows each twice an epoch, 0.5 half of them."""

    path: Path
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One run, complete.

    Attributes:
        stage: which recipe.
        model: a directory or hub id to start from.
        data: what is learned from.
        eval_data: what the loss is measured on; empty takes `eval_split` of the data away.
        eval_split: fraction of the rows of `data` kept for evaluation where `eval_data` is empty.
        images: directory that picture paths are relative to; None is the data file's own.
        out: the run's directory, in the end a model directory.
        method: every weight, a LoRA, or a LoRA on a 4-bit base.
        epochs: passes over the data; fractions are allowed.
        max_steps: end after this many optimizer steps; 0 is no limit.
        max_length: tokens of one row; a longer one is cut at a whole turn.
        batch_size: rows (or packed rows of `max_length` tokens) of one device and forward pass.
        grad_accum: forward passes of one optimizer step.
        order: pack rows into `max_length`, group rows of like length, or shuffle only.
        lr: peak learning rate.
        projector_lr: the projector's own; None is `lr`.
        schedule: how the learning rate falls.
        warmup: steps, or below 1 the fraction of all steps.
        weight_decay: of matrices; vectors have none.
        max_grad_norm: gradients are scaled down to this L2 norm; 0 turns it off.
        optimizer: which AdamW.
        adam_betas: its two.
        lora_rank: r.
        lora_alpha: the product of the two matrices is scaled by alpha / r.
        lora_dropout: probability.
        lora_targets: names of the linears that get one.
        dtype: what products are computed in; optimizers and sums stay fp32.
        tf32: let CUDA round fp32 products to TF32.
        gradient_checkpointing: compute layers again in the backward pass, to save memory.
        log_interval: steps, or below 1 the fraction of all steps; the next two likewise.
        eval_interval: 0 is never.
        save_interval: 0 is only at the end.
        keep_checkpoints: how many of the newest stay.
        on_spike: at a loss that leaps, stop before it is learned from, warn and go on, or neither.
        sample_prompts: questions that are answered at each evaluation.
        seed: fixes the order of rows and all that is drawn.
        workers: processes that tokenize and decode pictures; the result does not depend on it.
        zero: DeepSpeed's ZeRO stage; None trains without DeepSpeed.
        offload: keep optimizer states (ZeRO-2) and weights too (ZeRO-3) in the CPU's memory.
        deepspeed: a DeepSpeed JSON of one's own in place of `zero` and `offload`.
        report_to: trackers beside metrics.jsonl and TensorBoard.
        run_name: what trackers call the run.
        on_bad_image: stop at a picture that is missing or broken, or skip its row.
        cache_features: directory that keeps the tower's outputs over epochs and runs.
    """

    stage: Stage
    model: str
    data: tuple[Source, ...]
    out: Path
    eval_data: tuple[Source, ...] = ()
    eval_split: float = 0.0
    images: Path | None = None
    method: Method = "full"
    epochs: float = 1.0
    max_steps: int = 0
    max_length: int = 4096
    batch_size: int = 1
    grad_accum: int = 1
    order: Order = "packed"
    lr: float = 2e-5
    projector_lr: float | None = None
    schedule: Schedule = "cosine"
    warmup: float = 0.03
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    optimizer: Optimizer = "adamw"
    adam_betas: tuple[float, float] = (0.9, 0.999)
    lora_rank: int = 64
    lora_alpha: int = 16
    lora_dropout: float = 0.0
    lora_targets: tuple[str, ...] = LORA_TARGETS
    dtype: Dtype = "bf16"
    tf32: bool = True
    gradient_checkpointing: bool = False
    log_interval: float = 1
    eval_interval: float = 0
    save_interval: float = 0
    keep_checkpoints: int = 8
    on_spike: OnSpike = "stop"
    sample_prompts: tuple[str, ...] = ()
    seed: int = 0
    workers: int = 0
    zero: Literal[0, 1, 2, 3] | None = None
    offload: bool = False
    deepspeed: Path | None = None
    report_to: tuple[str, ...] = ()
    run_name: str = ""
    on_bad_image: Literal["stop", "skip"] = "stop"
    cache_features: Path | None = None


def in_steps(interval: float, total: int) -> int:
    """An interval in optimizer steps; a value below 1 is a fraction of `total`, rounded up.

    Returns:
        At least 1, or 0 for never.
    """
    part = round(interval * total, 6)  # 0.07 of 100 is 7.000000000000001
    if interval <= 0:
        return 0
    return max(1, round(interval) if interval >= 1 else math.ceil(part))
