# SPDX-License-Identifier: Apache-2.0
"""Stage 1 from a model directory to a model directory, whatever the method."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import advise_greedy
from tests.train.tiny_run import losses, tiny_config, write_rows
from yuren_core.errors import UsageError
from yuren_core.inference.engine import Engine
from yuren_core.messages import Message, Role
from yuren_core.model.loading import load_model
from yuren_core.prompt import prompt_items
from yuren_core.protocol import Completed
from yuren_core.sampling_params import GREEDY, SamplingParams
from yuren_train.config import TrainConfig
from yuren_train.recipes.stage1_text import train
from yuren_train.training.events import (
    Evaluated,
    Event,
    Finished,
    PhaseStarted,
    Sampled,
    Saved,
    Started,
    Stepped,
)

Config = Callable[..., TrainConfig]


@pytest.fixture
def config(text_model: Path, tmp_path: Path) -> Config:
    data = write_rows(tmp_path / "rows.jsonl")

    def make(out: str = "out", **values: Any) -> TrainConfig:
        model = values.pop("model", text_model)
        return tiny_config(model, data, tmp_path / out, **values)

    return make


def run(config: TrainConfig) -> list[Event]:
    events: list[Event] = []
    assert train(config, on_event=events.append) == config.out
    return events


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_model(str(directory), load="fp32", device="cpu").model.state_dict()


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_learns_and_leaves_a_model_to_chat_with(config: Config, method: str, dtype: str) -> None:
    events = run(
        config(method=method, dtype=dtype, eval_split=0.1, eval_interval=1.0, lr=5e-3, lora_rank=8)
    )
    measured = [event.loss for event in events if isinstance(event, Evaluated)]
    assert measured[-1] < measured[0]
    assert isinstance(events[0], PhaseStarted)
    assert isinstance(events[-1], Finished)
    loaded = load_model(str(events[-1].out), load="fp32", device="cpu")
    question = prompt_items([Message.of(Role.USER, "What is the capital?")])
    *_, last = Engine(loaded).generate(question, SamplingParams(temperature=0, max_new_tokens=4))
    assert isinstance(last, Completed)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_what_its_base_advises_of_sampling_stays(
    config: Config, text_model: Path, tmp_path: Path, method: str
) -> None:
    base = Path(shutil.copytree(text_model, tmp_path / "base"))
    advise_greedy(base)
    finished = run(config(model=base, method=method, max_steps=1))[-1]
    assert isinstance(finished, Finished)
    assert load_model(str(finished.out), load="fp32", device="cpu").sampling == GREEDY


def test_a_full_model_reads_back_as_it_was_saved(config: Config) -> None:
    finished = run(config(dtype="bf16", max_steps=2))[-1]
    assert isinstance(finished, Finished)
    assert finished.proof == 0.0
    told = json.loads((finished.out / "provenance.json").read_text())
    assert told["steps"] == 2
    assert told["config"]["lr"] == 1e-3


def test_a_frozen_base_stays_as_it_was(config: Config, text_model: Path) -> None:
    before = weights(text_model)
    run(config(method="lora", max_steps=2, lora_rank=4))
    after = weights(text_model)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("order", ["packed", "grouped", "shuffled"])
def test_the_split_of_a_batch_changes_nothing(config: Config, order: str) -> None:
    whole = losses(run(config("whole", order=order, batch_size=4)))
    split = losses(run(config("split", order=order, batch_size=1, grad_accum=4)))
    assert len(whole) > 2
    assert split == pytest.approx(whole, rel=1e-5)
    one, other = weights(config("whole").out), weights(config("split").out)
    for name in one:
        torch.testing.assert_close(other[name], one[name], msg=name, rtol=1e-3, atol=2e-5)


def test_evaluation_and_samples_change_no_step(config: Config) -> None:
    plain = losses(run(config("plain", epochs=1, eval_split=0.1)))
    events = run(
        config("told", epochs=1, eval_split=0.1, eval_interval=2, sample_prompts=("Hello",))
    )
    assert losses(events) == plain
    assert sum(isinstance(event, Sampled) for event in events) > 2


def test_the_same_command_again_changes_nothing(config: Config) -> None:
    run(config(max_steps=2))
    before = (config().out / "model.safetensors").stat()
    again = run(config(max_steps=2))
    assert isinstance(again[-1], Finished)
    assert not any(isinstance(event, Started | Stepped) for event in again)
    assert (config().out / "model.safetensors").stat() == before


def test_another_run_in_the_directory_is_refused(config: Config) -> None:
    run(config(max_steps=1))
    with pytest.raises(UsageError, match=r"lr: 0\.001 -> 0\.002"):
        run(config(max_steps=1, lr=2e-3))


def test_a_model_in_the_directory_is_refused(config: Config, text_model: Path) -> None:
    before = sorted(text_model.iterdir())
    with pytest.raises(UsageError, match="holds a model"):
        run(config(out=str(text_model)))
    assert sorted(text_model.iterdir()) == before


def test_only_the_newest_checkpoints_stay(config: Config) -> None:
    events = run(config(save_interval=2, keep_checkpoints=2))
    saved = [event.step for event in events if isinstance(event, Saved) and not event.is_final]
    left = sorted(path.name for path in config().out.glob("checkpoint-*"))
    assert len(saved) > 3
    assert left == sorted(f"checkpoint-{step}" for step in saved[-2:])


def test_fractions_of_epochs_and_a_limit_of_steps(config: Config) -> None:
    assert len(losses(run(config("half", epochs=0.5)))) == 3  # of five steps
    assert len(losses(run(config("limit", epochs=3, max_steps=7)))) == 7
