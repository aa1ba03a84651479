# SPDX-License-Identifier: Apache-2.0
"""Values and combinations that cannot be: refused before anything is loaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_train.config.model_shape import ModelShape
from yuren_train.config.values import TrainConfig

_RANGES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "eval_split": (lambda value: 0 <= value < 1, "0 <= eval_split < 1"),
    "epochs": (lambda value: 0 < value < math.inf, "epochs > 0"),
    "max_steps": (lambda value: value >= 0, "max_steps >= 0"),
    "max_length": (lambda value: value >= 2, "max_length >= 2"),
    "batch_size": (lambda value: value >= 1, "batch_size >= 1"),
    "grad_accum": (lambda value: value >= 1, "grad_accum >= 1"),
    "lr": (lambda value: 0 < value < 1, "0 < lr < 1"),
    "projector_lr": (lambda value: value is None or 0 < value < 1, "0 < projector_lr < 1"),
    "warmup": (lambda value: 0 <= value < math.inf, "warmup >= 0"),
    "weight_decay": (lambda value: 0 <= value < 1, "0 <= weight_decay < 1"),
    "max_grad_norm": (lambda value: 0 <= value < math.inf, "max_grad_norm >= 0"),
    "adam_betas": (lambda value: all(0 <= beta < 1 for beta in value), "0 <= beta < 1"),
    "lora_rank": (lambda value: value >= 1, "lora_rank >= 1"),
    "lora_alpha": (lambda value: value >= 1, "lora_alpha >= 1"),
    "lora_dropout": (lambda value: 0 <= value < 1, "0 <= lora_dropout < 1"),
    "log_interval": (lambda value: 0 < value < math.inf, "log_interval > 0"),
    "eval_interval": (lambda value: 0 <= value < math.inf, "eval_interval >= 0"),
    "save_interval": (lambda value: 0 <= value < math.inf, "save_interval >= 0"),
    "keep_checkpoints": (lambda value: value >= 1, "keep_checkpoints >= 1"),
    "seed": (lambda value: 0 <= value < 2**32, "0 <= seed < 2**32"),
    "workers": (lambda value: value >= 0, "workers >= 0"),
}


_MOST_WEIGHT = 1000


def check_config(config: TrainConfig, origins: Mapping[str, str], shape: ModelShape) -> None:
    """Refuse what cannot be.

    Args:
        config: complete.
        origins: where each value came from, for the message.
        shape: of the model.

    Raises:
        UsageError: naming value, origin and remedy.
    """
    for name, (is_right, allowed) in _RANGES.items():
        value = getattr(config, name)
        if not is_right(value):
            raise UsageError(
                tr("error.config.wrong", name=name, value=repr(value), origin=origins[name]),
                tr("error.config.allowed", allowed=allowed),
            )
    if config.stage != "stage1" and not shape.vision_width:
        raise UsageError(
            tr("error.config.blind", model=config.model),
            tr("error.config.blind_hint", model=config.model),
        )
    if config.stage == "stage2" and config.method != "full":
        raise UsageError(
            tr(
                "error.config.wrong",
                name="method",
                value=config.method,
                origin=origins["method"],
            ),
            tr("error.config.allowed", allowed="full"),
        )
    if not config.data:
        raise UsageError(tr("error.config.no_data"), tr("error.config.no_data_hint"))
    for source in (*config.data, *config.eval_data):
        if not 0 < source.weight <= _MOST_WEIGHT:
            raise UsageError(
                tr("error.config.wrong", name="weight", value=source.weight, origin=source.path),
                tr("error.config.allowed", allowed=f"0 < weight <= {_MOST_WEIGHT}"),
            )
        if not source.path.is_file():
            raise UsageError(
                tr("error.config.absent", path=source.path), tr("error.config.absent_hint")
            )
    if config.images is not None and not config.images.is_dir():
        raise UsageError(
            tr("error.config.no_directory", path=config.images),
            tr("error.config.no_directory_hint"),
        )
    if config.deepspeed is not None and not config.deepspeed.is_file():
        raise UsageError(
            tr("error.config.absent", path=config.deepspeed), tr("error.config.absent_hint")
        )
    if config.method != "full" and not config.lora_targets:
        raise UsageError(
            tr(
                "error.config.wrong",
                name="lora_targets",
                value="[]",
                origin=origins["lora_targets"],
            ),
            tr("error.config.allowed", allowed=", ".join(shape.projections)),
        )
    if unknown := [name for name in config.lora_targets if name not in shape.projections]:
        raise UsageError(
            tr(
                "error.config.wrong",
                name="lora_targets",
                value=", ".join(unknown),
                origin=origins["lora_targets"],
            ),
            tr("error.config.allowed", allowed=", ".join(shape.projections)),
        )
    if config.deepspeed is not None and config.zero is not None:
        raise UsageError(tr("error.config.two_deepspeeds"), tr("error.config.two_deepspeeds_hint"))
    if config.offload and config.zero not in (2, 3):
        raise UsageError(tr("error.config.offload"), tr("error.config.offload_hint"))
    if config.max_length > shape.max_positions:
        raise UsageError(
            tr("error.config.positions", length=config.max_length, positions=shape.max_positions),
            tr("error.config.positions_hint", positions=shape.max_positions),
        )
