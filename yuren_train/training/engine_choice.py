# SPDX-License-Identifier: Apache-2.0
"""Which engine a run takes: DeepSpeed where it is asked for, else our own."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from yuren_train.config import TrainConfig
from yuren_train.training.engines import Engine, LocalEngine
from yuren_train.training.learner import Learner
from yuren_train.training.processes import Processes


def uses_deepspeed(config: TrainConfig) -> bool:
    """Whether a run is DeepSpeed's."""
    return config.zero is not None or config.deepspeed is not None


def make_engine(
    learner: Learner, config: TrainConfig, processes: Processes, rebuild: Callable[[], nn.Module]
) -> Engine:
    """The engine of a run.

    Args:
        learner: the model and its loss.
        config: of the run.
        processes: who this process is.
        rebuild: makes the learner's model anew, on the CPU.

    Raises:
        UsageError: DeepSpeed is asked for and not installed, or its configuration contradicts
            the run's.
    """
    if config.gradient_checkpointing:
        learner.language_model.activation_checkpointing_enable({"use_reentrant": False})
    if not uses_deepspeed(config):
        return LocalEngine(learner, config, processes)
    from yuren_train.training.deepspeed_engine import DeepSpeedEngine

    return DeepSpeedEngine(learner, config, processes, rebuild)
