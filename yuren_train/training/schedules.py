# SPDX-License-Identifier: Apache-2.0
"""How the learning rate rises and falls: transformers' own curves, asked by step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from transformers import get_scheduler

from yuren_train.config import TrainConfig, in_steps

LrScale = Callable[[int], float]
"""The step, counted from 1, to the factor of the peak learning rate, 0 to 1."""


def lr_schedule(config: TrainConfig, total_steps: int) -> LrScale:
    """The learning rate of every step of a run, as a factor of its peak.

    The warm-up ends on the peak, and its first step already learns; after it, step k takes the
    value of the curve at k - 1, so that the last step learns too.

    Args:
        config: `schedule` and `warmup` are read.
        total_steps: of the whole run.
    """
    warmup = min(in_steps(config.warmup, total_steps), total_steps)
    name = "constant_with_warmup" if config.schedule == "constant" else config.schedule
    bare = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(
        name, bare, num_warmup_steps=warmup, num_training_steps=max(total_steps, 1)
    )
    curve = scheduler.lr_lambdas[0]

    def scale(step: int) -> float:
        return float(curve(step if step <= warmup else step - 1))

    return scale
