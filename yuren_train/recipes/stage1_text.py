# SPDX-License-Identifier: Apache-2.0
"""Stage 1: a language model learns to answer, from text alone.

All of it learns, or matrices beside it; a projector that is there waits for stage 2.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from yuren_core.model.loading import LoadedModel
from yuren_train.config import TrainConfig
from yuren_train.recipes.sft import StageRules, fine_tune
from yuren_train.training import lora
from yuren_train.training.events import Listener
from yuren_train.training.freezing import train_language_model


def train(config: TrainConfig, *, on_event: Listener) -> Path:
    """Run stage 1, or go on with it where it was left; as `fine_tune`."""
    return fine_tune(config, StageRules(freeze), on_event=on_event)


def freeze(loaded: LoadedModel, config: TrainConfig) -> nn.Module:
    """The model with what learns in it: all of it, or matrices beside a frozen base."""
    if config.method == "full":
        train_language_model(loaded.model)
        return loaded.model
    return lora.prepare(loaded.model, config, lora.trained_token_ids(loaded.tokenizer))
