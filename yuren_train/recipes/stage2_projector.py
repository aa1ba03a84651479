# SPDX-License-Identifier: Apache-2.0
"""Stage 2: the projector learns to bring what the tower sees into the language model's space.

The language model and the tower are frozen. Rows without pictures are left out: they would
teach a projector nothing. What comes out is a whole model, with the tower beside it.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from yuren_core.model.loading import LoadedModel
from yuren_train.config import TrainConfig
from yuren_train.recipes.sft import StageRules, fine_tune
from yuren_train.training.events import Listener
from yuren_train.training.freezing import train_projector_alone


def train(config: TrainConfig, *, on_event: Listener) -> Path:
    """Run stage 2, or go on with it where it was left; as `fine_tune`."""
    rules = StageRules(freeze, needs_sight=True, pictures_only=True)
    return fine_tune(config, rules, on_event=on_event)


def freeze(loaded: LoadedModel, config: TrainConfig) -> nn.Module:
    """The model with nothing that learns in it but the projector."""
    train_projector_alone(loaded.model)
    return loaded.model
