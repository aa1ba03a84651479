# SPDX-License-Identifier: Apache-2.0
"""What a run does where nothing is said: the original recipe's values for its size, others for
small models, each with the reason that is told to whoever asks.

The reference size is the original's, 7B and 13B: one epoch, rows of 4096 tokens, a learning
rate of 2e-5 in full and 5e-5 for QLoRA. Small models learn in larger steps and short rows.
Batches of stages 2 and 3 are counted in rows, as LLaVA counts them: on eight devices the
reference size has its 256 and 128.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yuren_train.config.model_shape import ModelShape
from yuren_train.config.values import Method, Stage

SMALL = 1_000_000_000
"""Models below this many parameters take the small values."""

Reasoned = tuple[Any, str]
"""A value, and why it is that one: a key of the catalogue."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What defaults depend on.

    Attributes:
        stage: which recipe.
        method: full, LoRA or QLoRA.
        shape: of the model.
        on_sample_data: whether no data was named, so that the bundled rows are learned from.
    """

    stage: Stage
    method: Method
    shape: ModelShape
    on_sample_data: bool = False


def defaults(situation: Situation) -> Mapping[str, Reasoned]:
    """Every value that depends on the situation, by the names of `TrainConfig`.

    What is not among them has its default in `TrainConfig`.
    """
    small = situation.shape.parameters < SMALL
    size = "small" if small else "reference"
    values: dict[str, Reasoned] = {
        name: (value, f"origin.{size}")
        for name, value in (_SMALL if small else _REFERENCE)[situation.stage].items()
    }
    if situation.method != "full":
        lora = _lora(small, situation.stage)
        values |= {name: (value, "origin.lora") for name, value in lora.items()}
    if situation.method == "qlora":
        values |= {
            "optimizer": ("paged_adamw_8bit", "origin.qlora"),
            "max_grad_norm": (0.5, "origin.qlora"),
        }
    if situation.on_sample_data:
        values |= {name: (value, "origin.sample_data") for name, value in _SAMPLE_DATA.items()}
    length, reason = values["max_length"]
    if length > situation.shape.max_positions:
        length, reason = situation.shape.max_positions, "origin.positions"
    values["max_length"] = (length, reason)
    return values


def _lora(small: bool, stage: Stage) -> dict[str, Any]:
    if not small:
        return {"lr": 5e-5}
    # A projector that has learned goes wild at 1e-3, and a small model forgets how to chat.
    return {"lr": 3e-4 if stage == "stage3" else 1e-3, "lora_rank": 16, "lora_alpha": 16}


_SMALL_COMMON: dict[str, Any] = {"max_length": 1024, "save_interval": 0.1, "eval_interval": 0.1}
_SMALL: Mapping[Stage, dict[str, Any]] = {
    "stage1": {**_SMALL_COMMON, "lr": 1e-4, "batch_size": 4},
    "stage2": {**_SMALL_COMMON, "lr": 5e-4, "batch_size": 16, "order": "grouped"},
    "stage3": {
        **_SMALL_COMMON,
        "lr": 1e-4,
        "batch_size": 8,
        "order": "grouped",
        "epochs": 2.0,
    },
}
_REFERENCE_COMMON: dict[str, Any] = {
    "max_length": 4096,
    "gradient_checkpointing": True,
    "save_interval": 500,
    "eval_interval": 500,
}
_REFERENCE: Mapping[Stage, dict[str, Any]] = {
    "stage1": {**_REFERENCE_COMMON, "lr": 2e-5, "batch_size": 1, "grad_accum": 16},
    "stage2": {
        **_REFERENCE_COMMON,
        "lr": 1e-3,
        "batch_size": 16,
        "grad_accum": 2,
        "max_length": 2048,
        "order": "grouped",
    },
    "stage3": {
        **_REFERENCE_COMMON,
        "lr": 2e-5,
        "batch_size": 4,
        "grad_accum": 4,
        "order": "grouped",
        "epochs": 2.0,
    },
}
_SAMPLE_DATA: dict[str, Any] = {
    "epochs": 3.0,
    "max_length": 512,
    "batch_size": 1,
    "eval_split": 0.1,
    "eval_interval": 0.25,
    "save_interval": 0.25,
}
