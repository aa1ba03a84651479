# SPDX-License-Identifier: Apache-2.0
"""A run that is killed, stopped or damaged ends in the weights of one that was not."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny import make_text_model
from tests.train.tiny_run import Process, tiny_config, write_rows
from yuren_core.errors import StorageError, UsageError
from yuren_core.model.adapter_files import fingerprint
from yuren_train.config import TrainConfig
from yuren_train.recipes.stage1_text import train
from yuren_train.training.checkpoints import RUN_FILE, Checkpoints
from yuren_train.training.events import (
    Evaluated,
    EvaluationStarted,
    Event,
    Saved,
    Started,
    Stepped,
    StopAsked,
)
from yuren_train.training.processes import Processes
from yuren_train.training.stopping import STOPPED_EXIT_CODE, StoppedError

Config = Callable[..., TrainConfig]
ALONE = Processes(0, 0, 1, torch.device("cpu"))


@pytest.fixture
def config(text_model: Path, tmp_path: Path) -> Config:
    data = write_rows(tmp_path / "rows.jsonl")

    def make(out: str = "out", **values: Any) -> TrainConfig:
        standard: dict[str, Any] = {"save_interval": 2, "keep_checkpoints": 3}
        return tiny_config(text_model, data, tmp_path / out, **{**standard, **values})

    return make


def final(config: TrainConfig) -> dict[str, torch.Tensor]:
    name = "model" if config.method == "full" else "adapter_model"
    return load_file(config.out / f"{name}.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Cut(Exception):
    """Ends a run from within its listener, as a kill would between two steps."""


def cut_after(config: TrainConfig, step: int) -> None:
    def listen(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == step:
            raise Cut

    with pytest.raises(Cut):
        train(config, on_event=listen)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"dtype": "bf16"},
        {"order": "packed", "batch_size": 2},
        {"optimizer": "paged_adamw_8bit"},
        {"method": "lora", "lora_dropout": 0.3},
        {"method": "qlora", "lora_dropout": 0.3, "dtype": "bf16"},
    ],
    ids=lambda values: "-".join(map(str, values.values())) or "full",
)
def test_a_run_that_is_cut_goes_on_to_the_bit(config: Config, values: dict[str, Any]) -> None:
    whole = config("whole", **values)
    train(whole, on_event=lambda _: None)
    cut = config("cut", **values)
    cut_after(cut, 5)
    cut_after(cut, 7)
    events: list[Event] = []
    train(cut, on_event=events.append)
    assert [event.step for event in events if isinstance(event, Started)] == [6]
    assert same(final(cut), final(whole))


def test_a_run_does_not_go_on_with_another_base_of_the_same_name(
    config: Config, text_model: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(text_model, base)
    told = replace(config(method="lora"), model=str(base))
    cut_after(told, 3)
    run = json.loads((told.out / RUN_FILE).read_text())
    del run["base"]  # as earlier versions wrote it
    (told.out / RUN_FILE).write_text(json.dumps(run))
    cut_after(told, 5)
    (told.out / RUN_FILE).write_text(json.dumps({**run, "base": fingerprint(base)}))
    shutil.rmtree(base)
    make_text_model(base, seed=1)
    with pytest.raises(UsageError, match="base: "):
        train(told, on_event=lambda _: None)


def test_a_checkpoint_that_is_not_whole_is_passed_over(config: Config) -> None:
    whole = config("whole")
    train(whole, on_event=lambda _: None)
    cut = config("cut")
    cut_after(cut, 7)
    weights = cut.out / "checkpoint-6" / "trained.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    shutil.copytree(cut.out / "checkpoint-4", cut.out / ".checkpoint-8")
    events: list[Event] = []
    train(cut, on_event=events.append)
    assert [event.step for event in events if isinstance(event, Started)] == [4]
    assert not (cut.out / ".checkpoint-8").exists()
    assert same(final(cut), final(whole))


def test_a_run_killed_while_it_saves_its_model_saves_again(config: Config) -> None:
    whole = config("whole")
    train(whole, on_event=lambda _: None)
    halved = config("halved")
    shutil.copytree(whole.out, halved.out)
    (halved.out / "config.json").unlink()
    (halved.out / "model.safetensors").write_bytes(b"half")
    (halved.out / ".model").mkdir()
    (halved.out / "..model.0123abcd").mkdir()
    train(halved, on_event=lambda _: None)
    assert same(final(halved), final(whole))
    assert not list(halved.out.glob(".*model*"))


def test_sigterm_saves_and_leaves_with_a_code_of_its_own(config: Config) -> None:
    whole = config("whole", epochs=4)
    train(whole, on_event=lambda _: None)
    stopped = config("stopped", epochs=4, save_interval=0)
    process = Process(stopped)
    wait_for_step(process, 3)
    process.popen.send_signal(signal.SIGTERM)
    assert process.wait() == STOPPED_EXIT_CODE
    assert len(process.events("StopAsked")) == 1
    (left,) = stopped.out.glob("checkpoint-*")
    assert left.name == f"checkpoint-{process.events('Stepped')[-1]['step']}"
    assert "goes on from there" in process.output
    train(stopped, on_event=lambda _: None)
    assert same(final(stopped), final(whole))


def test_whoever_is_told_to_stop_saves_before_anything_else(config: Config) -> None:
    stopping = config("stopping", eval_split=0.2, eval_interval=1, save_interval=0)
    events: list[Event] = []

    def tell(event: Event) -> None:
        events.append(event)
        if isinstance(event, Stepped) and event.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError):
        train(stopping, on_event=tell)
    kinds = [type(event) for event in events if not isinstance(event, StopAsked)]
    assert kinds[-3:] == [Stepped, EvaluationStarted, Saved]
    assert [event.step for event in events if isinstance(event, Evaluated)] == [0, 1]
    assert [event.step for event in events if isinstance(event, Saved)] == [2]


def test_too_little_disk_is_told_before_the_first_step(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2, processes=ALONE)
    for saves, needed in ((1, 1024), (3, 3072), (20, 3072)):
        with pytest.raises(StorageError, match=rf"GiB are free.*{needed}\.0 GiB"):
            checkpoints.require_space(1 << 40, 0, saves=saves)
    checkpoints.require_space(1, 1, saves=20)


def wait_for_step(process: Process, step: int) -> None:
    deadline = time.monotonic() + 60
    while process.popen.poll() is None and time.monotonic() < deadline:
        if any(event["step"] >= step for event in process.events("Stepped")):
            return
        time.sleep(0.01)
    raise AssertionError(process.wait(1) and process.output)


def kill_at_random(config: TrainConfig, kills: int, seed: int) -> list[int]:
    """Start a run again and again, and kill -9 each at a random moment; returns the steps."""
    choose = random.Random(seed)
    reached = []
    for _ in range(kills):
        process = Process(config)
        first = choose.randint(1, 4)
        try:
            wait_for_step(process, (reached[-1] if reached else 0) + first)
            time.sleep(choose.uniform(0, 0.1))
        except AssertionError:
            assert process.popen.returncode == 0, process.output  # it was done before
            break
        process.popen.kill()
        process.wait()
        steps = [event["step"] for event in process.events("Stepped")]
        reached.append(max(steps) if steps else 0)
    return reached


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_at_any_moment_ends_in_the_same_weights(config: Config, kills: int) -> None:
    epochs = 2 + kills
    whole = config("whole", epochs=epochs)
    train(whole, on_event=lambda _: None)
    killed = config("killed", epochs=epochs)
    reached = kill_at_random(killed, kills, seed=kills)
    train(killed, on_event=lambda _: None)
    assert len(reached) == kills
    assert same(final(killed), final(whole))
    assert json.loads((killed.out / "provenance.json").read_text())["proof"] == 0.0
