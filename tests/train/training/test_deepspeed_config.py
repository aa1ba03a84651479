# SPDX-License-Identifier: Apache-2.0
"""DeepSpeed is told what the run is told, and a file that says otherwise is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from yuren_core.errors import UsageError
from yuren_train.config import TrainConfig
from yuren_train.training.deepspeed_config import (
    deepspeed_settings,
    offloads_optimizer,
    zero_stage,
)


def config(**values: Any) -> TrainConfig:
    return TrainConfig(stage="stage1", model="m", data=(), out=Path("out"), **values)


@pytest.mark.parametrize("zero", [0, 1, 2, 3])
@pytest.mark.parametrize("offload", [False, True])
def test_every_stage_is_shipped(zero: Any, offload: bool) -> None:
    settings = deepspeed_settings(config(zero=zero, offload=offload), world=2)
    assert zero_stage(settings) == zero
    assert offloads_optimizer(settings) is (offload and zero >= 2)
    assert not {"optimizer", "scheduler"} & settings.keys()


def test_the_run_decides_batch_clipping_and_precision() -> None:
    settings = deepspeed_settings(
        config(zero=2, batch_size=3, grad_accum=5, max_grad_norm=0.5, dtype="bf16"), world=4
    )
    assert settings["train_batch_size"] == 60
    assert settings["gradient_clipping"] == 0.5
    assert settings["bf16"]["enabled"] is True


def test_what_a_file_overrides_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(
        json.dumps(
            {
                "optimizer": {"type": "AdamW"},
                "scheduler": {"type": "WarmupLR"},
                "train_micro_batch_size_per_gpu": 7,
                "fp16": {"enabled": True},
                "gradient_clipping": "auto",
                "zero_optimization": {"stage": 2},
            }
        )
    )
    with pytest.raises(UsageError) as error:
        deepspeed_settings(config(deepspeed=file), world=1)
    for name in ("optimizer", "scheduler", "schedule, warmup", "7", "fp16.enabled"):
        assert name in str(error.value)
    assert "gradient_clipping" not in str(error.value)


def test_a_file_that_agrees_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(
        json.dumps(
            {
                "optimizer": "auto",
                "train_batch_size": "auto",
                "bf16": {"enabled": "auto", "immediate_grad_update": True},
                "zero_optimization": {"stage": 3, "sub_group_size": "auto"},
                "steps_per_print": 10,
            }
        )
    )
    settings = deepspeed_settings(config(deepspeed=file), world=1)
    assert settings["steps_per_print"] == 10
    assert settings["bf16"] == {"enabled": True, "immediate_grad_update": True}
    assert settings["zero_optimization"] == {"stage": 3}
    assert "optimizer" not in settings


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "", '{"zero_optimization": null}', '{"zero_optimization": {"stage": "auto"}}'],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"mine\.json"):
        deepspeed_settings(config(deepspeed=file), world=1)


def test_only_adamw_is_offloaded() -> None:
    with pytest.raises(UsageError, match="paged_adamw_8bit"):
        deepspeed_settings(config(zero=2, offload=True, optimizer="paged_adamw_8bit"), world=1)
