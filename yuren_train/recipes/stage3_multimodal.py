# SPDX-License-Identifier: Apache-2.0
"""Stage 3: projector and language model learn together, from pictures and text.

The tower stays frozen. Under LoRA and QLoRA the projector learns in full, and is saved beside
the matrices.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from yuren_core.model.loading import LoadedModel
from yuren_train.config import TrainConfig
from yuren_train.recipes.sft import StageRules, fine_tune
from yuren_train.training import lora
from yuren_train.training.events import Listener
from yuren_train.training.freezing import train_all, train_projector_too


def train(config: TrainConfig, *, on_event: Listener) -> Path:
    """Run stage 3, or go on with it where it was left; as `fine_tune`."""
    return fine_tune(config, StageRules(freeze, needs_sight=True), on_event=on_event)


def freeze(loaded: LoadedModel, config: TrainConfig) -> nn.Module:
    """The model with what learns in it: all of it, or the projector and matrices."""
    if config.method == "full":
        train_all(loaded.model)
        return loaded.model
    model = lora.prepare(loaded.model, config, lora.trained_token_ids(loaded.tokenizer))
    train_projector_too(model)
    return model
