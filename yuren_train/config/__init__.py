# SPDX-License-Identifier: Apache-2.0
"""What a training run is told: the values, their defaults by size, and who said which."""

from yuren_train.config.values import (
    LORA_TARGETS,
    Dtype,
    Method,
    OnSpike,
    Optimizer,
    Order,
    Schedule,
    Source,
    Stage,
    TrainConfig,
    in_steps,
)

__all__ = [
    "LORA_TARGETS",
    "Dtype",
    "Method",
    "OnSpike",
    "Optimizer",
    "Order",
    "Schedule",
    "Source",
    "Stage",
    "TrainConfig",
    "in_steps",
]
