# SPDX-License-Identifier: Apache-2.0
"""Which AdamW, over which groups: matrices decay, vectors do not; a projector has its own rate.

The peak rate of each group stands under `PEAK`; a step sets `lr` from it. The optimizer's
states are fp32, or 8-bit blocks of bitsandbytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_train.config import TrainConfig
from yuren_train.training.freezing import PROJECTOR

PEAK = "peak_lr"

Group = dict[str, Any]


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[Group]:
    """The parameters that learn, by learning rate and decay; empty groups are left out."""
    projector_lr = config.lr if config.projector_lr is None else config.projector_lr
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        lr = projector_lr if PROJECTOR in name else config.lr
        decay = config.weight_decay if parameter.ndim >= 2 else 0.0
        groups.setdefault((lr, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": lr, PEAK: lr, "weight_decay": decay}
        for (lr, decay), parameters in groups.items()
    ]


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer that `config.optimizer` names.

    Raises:
        UsageError: bitsandbytes is needed and not installed.
    """
    groups = parameter_groups(model, config)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, betas=config.adam_betas, fused=True)
    try:
        import bitsandbytes
    except ImportError as error:
        raise UsageError(
            tr("error.optimizer.absent", optimizer=config.optimizer),
            tr("error.optimizer.absent_hint"),
        ) from error
    kind: Any = (
        bitsandbytes.optim.PagedAdamW8bit
        if config.optimizer == "paged_adamw_8bit"
        else bitsandbytes.optim.AdamW8bit
    )
    optimizer: torch.optim.Optimizer = kind(groups, lr=config.lr, betas=config.adam_betas)
    return optimizer


def set_lr(groups: Iterable[Group], scale: float) -> float:
    """Set every group's learning rate to `scale` of its peak.

    Returns:
        The first group's.
    """
    rates = []
    for group in groups:
        group["lr"] = group[PEAK] * scale
        rates.append(group["lr"])
    return float(rates[0])
