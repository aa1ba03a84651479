# SPDX-License-Identifier: Apache-2.0
"""Whoever computes a step, its loss, its gradients and the weights after it are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.train.tiny_run import Process, recipe_of, tiny_config, write_rows
from yuren_train.config import TrainConfig
from yuren_train.training.events import Event, Stepped

Config = Callable[..., TrainConfig]
SECONDS = 480  # DeepSpeed may compile its Adam for the CPU first


@pytest.fixture
def config(text_model: Path, untied_model: Path, tmp_path: Path) -> Config:
    data = write_rows(tmp_path / "rows.jsonl", rows=36)

    def make(out: str = "out", *, tied: bool = True, **values: Any) -> TrainConfig:
        model = text_model if tied else untied_model
        return tiny_config(model, data, tmp_path / out, **{"epochs": 1, **values})

    return make


def alone(config: TrainConfig) -> list[dict[str, float]]:
    """The steps of a run in this process."""
    steps = []

    def listen(event: Event) -> None:
        if isinstance(event, Stepped):
            steps.append({"loss": event.loss, "grad_norm": event.grad_norm, "lr": event.lr})

    recipe_of(config.stage)(config, on_event=listen)
    return steps


def together(config: TrainConfig, processes: int) -> list[dict[str, float]]:
    """The steps of a run in processes of its own."""
    process = Process(config, processes)
    assert process.wait(SECONDS) == 0, process.output
    return [
        {key: event[key] for key in ("loss", "grad_norm", "lr")}
        for event in process.events("Stepped")
    ]


def assert_same_run(
    one: list[dict[str, float]], other: list[dict[str, float]], *, rel: float
) -> None:
    assert len(one) == len(other) > 2
    for left, right in zip(one, other, strict=True):
        assert left == pytest.approx(right, rel=rel)


def assert_same_weights(one: TrainConfig, other: TrainConfig, *, atol: float) -> None:
    left, right = (load_file(config.out / "model.safetensors") for config in (one, other))
    assert left.keys() == right.keys()
    for name, weight in left.items():
        assert weight.dtype == right[name].dtype
        torch.testing.assert_close(
            weight.float(), right[name].float(), msg=name, rtol=1e-3, atol=atol
        )


def test_two_processes_learn_what_one_does(config: Config) -> None:
    one = config("one", order="packed", batch_size=2)
    two = config("two", order="packed", batch_size=1)
    assert_same_run(together(two, 2), alone(one), rel=1e-4)
    assert_same_weights(two, one, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["packed", "shuffled"])
@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_zero_learns_what_one_process_does(config: Config, zero: int, order: str) -> None:
    size = {"packed": 4, "shuffled": 8}[order]
    one = config("one", order=order, batch_size=size)
    zeros = config("zeros", order=order, batch_size=size // 4, grad_accum=2, zero=zero)
    assert_same_run(together(zeros, 2), alone(one), rel=1e-4)
    assert_same_weights(zeros, one, atol=2e-5)


@pytest.mark.slow
def test_zero_3_keeps_a_head_of_its_own(config: Config) -> None:
    one = config("one", tied=False)
    zeros = config("zeros", tied=False, batch_size=4, zero=3)
    assert_same_run(together(zeros, 2), alone(one), rel=1e-4)
    assert_same_weights(zeros, one, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [0, 2, 3])
def test_bf16_is_close(config: Config, zero: int) -> None:
    one = config("one", dtype="bf16")
    zeros = config("zeros", dtype="bf16", batch_size=4, zero=zero)
    assert_same_run(together(zeros, 2), alone(one), rel=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [2, 3])
@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_adapters_learn_under_zero(config: Config, method: str, zero: int) -> None:
    values: dict[str, Any] = {"method": method, "lora_rank": 4}
    one = config("one", **values)
    zeros = config("zeros", batch_size=4, zero=zero, **values)
    # A 4-bit product is rounded otherwise in a batch of another size.
    assert_same_run(together(zeros, 2), alone(one), rel=5e-3 if method == "qlora" else 1e-3)
    left, right = (load_file(out / "adapter_model.safetensors") for out in (one.out, zeros.out))
    assert left.keys() == right.keys()
    for name in left:
        # Adam makes a whole step of a gradient that is nothing but rounding, so: in the mean.
        assert (left[name] - right[name]).abs().mean() < 1e-4, name


@pytest.mark.slow
@pytest.mark.parametrize("zero", [2, 3])
def test_offloading_changes_little(config: Config, zero: int) -> None:
    one = config("one")
    zeros = config("zeros", batch_size=4, zero=zero, offload=True)
    assert_same_run(together(zeros, 2), alone(one), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [None, 2, 3])
def test_several_processes_resume(config: Config, zero: int | None) -> None:
    values: dict[str, Any] = {"batch_size": 4, "zero": zero, "save_interval": 2, "epochs": 2}
    whole = together(config("whole", **values), 2)
    again = config("again", **values)
    together(again, 2)
    (again.out / "config.json").unlink()
    newest = max(again.out.glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
    for path in again.out.glob("checkpoint-*"):
        if int(path.name[11:]) > 4:
            path.rename(again.out / f"left-{path.name}")
    assert newest.name != "checkpoint-4"
    assert_same_run(together(again, 2), whole[4:], rel=1e-5)
    assert_same_weights(again, config("whole", **values), atol=1e-6)
