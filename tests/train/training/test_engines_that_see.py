# SPDX-License-Identifier: Apache-2.0
"""Several processes with pictures: they learn what one does, and none waits for a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.train.tiny_run import tiny_config, write_picture_rows
from tests.train.training.test_engines import (
    alone,
    assert_same_run,
    assert_same_weights,
    together,
)
from yuren_train.config import TrainConfig

Config = Callable[..., TrainConfig]


@pytest.fixture
def config(multimodal_model: Path, tmp_path: Path) -> Config:
    def make(out: str, *, pictures: int = 12, texts: int = 12, **values: Any) -> TrainConfig:
        file = tmp_path / f"{pictures}-{texts}.jsonl"
        data = file if file.exists() else write_picture_rows(file, rows=pictures, texts=texts)
        return tiny_config(multimodal_model, data, tmp_path / out, **{"epochs": 1, **values})

    return make


def test_two_processes_learn_what_one_does(config: Config) -> None:
    one = config("one", stage="stage3", batch_size=6)
    two = config("two", stage="stage3", batch_size=3)
    assert_same_run(together(two, 2), alone(one), rel=1e-4)
    assert_same_weights(two, one, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [0, 2, 3])
@pytest.mark.parametrize("stage", ["stage2", "stage3"])
def test_zero_learns_what_one_process_does(config: Config, stage: str, zero: int) -> None:
    one = config("one", stage=stage, batch_size=4)
    zeros = config("zeros", stage=stage, batch_size=1, grad_accum=2, zero=zero)
    assert_same_run(together(zeros, 2), alone(one), rel=1e-4)
    assert_same_weights(zeros, one, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [2, 3])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_rank_without_a_picture_waits_for_nobody(config: Config, method: str, zero: int) -> None:
    """Of all rows one has a picture: so one micro-batch of one rank sees, and all others do not."""
    values: dict[str, Any] = {"stage": "stage3", "method": method, "lora_rank": 4}
    values |= {"pictures": 1, "texts": 15}
    one = config("one", batch_size=4, **values)
    zeros = config("zeros", batch_size=2, zero=zero, **values)
    assert_same_run(together(zeros, 2), alone(one), rel=1e-3)
    if method == "full":
        assert_same_weights(zeros, one, atol=2e-5)
        return
    left, right = (load_file(out / "mm_projector.safetensors") for out in (one.out, zeros.out))
    for name in left:
        assert (left[name] - right[name]).abs().mean() < 1e-4, name


@pytest.mark.slow
@pytest.mark.parametrize("zero", [None, 3])
def test_processes_share_the_work_of_keeping_features(
    config: Config, tmp_path: Path, zero: int | None
) -> None:
    values: dict[str, Any] = {"stage": "stage3", "batch_size": 2, "zero": zero}
    plain = together(config("plain", **values), 2)
    kept = together(config("kept", cache_features=tmp_path / "features", **values), 2)
    assert len(list((tmp_path / "features").rglob("*.safetensors"))) == 3
    assert_same_run(kept, plain, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [2, 3])
def test_zero_resumes_with_a_projector(config: Config, zero: int) -> None:
    values: dict[str, Any] = {
        "stage": "stage3",
        "texts": 20,
        "method": "lora",
        "lora_rank": 4,
        "batch_size": 2,
        "zero": zero,
        "save_interval": 2,
    }
    whole = together(config("whole", **values), 2)
    again = config("again", **values)
    together(again, 2)
    (again.out / "adapter_config.json").unlink()
    for path in again.out.glob("checkpoint-*"):
        if int(path.name[11:]) > 4:
            path.rename(again.out / f"left-{path.name}")
    assert_same_run(together(again, 2), whole[4:], rel=1e-5)
    for name in ("adapter_model", "mm_projector"):
        one, other = (
            load_file(out.out / f"{name}.safetensors") for out in (config("whole", **values), again)
        )
        assert all((one[key] - other[key]).abs().max() < 1e-6 for key in one)
