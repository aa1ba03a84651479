# SPDX-License-Identifier: Apache-2.0
"""A run that is told to stop while it measures or answers drops that, and loses no step."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.train.tiny_run import tiny_config, write_rows
from yuren_core.model.loading import load_model
from yuren_train.config import TrainConfig
from yuren_train.recipes.stage1_text import freeze, train
from yuren_train.training.engines import LocalEngine
from yuren_train.training.evaluation import Evaluation
from yuren_train.training.events import (
    Evaluated,
    EvaluationStarted,
    Event,
    Sampled,
    Saved,
    Stepped,
    StopAsked,
)
from yuren_train.training.learner import Learner
from yuren_train.training.processes import Processes
from yuren_train.training.sight import Sight
from yuren_train.training.stopping import StoppedError, StopRequest

Config = Callable[..., TrainConfig]
PROMPTS = ("Say hello", "What is this?")


@pytest.fixture
def config(text_model: Path, tmp_path: Path) -> Config:
    data = write_rows(tmp_path / "rows.jsonl", rows=16)

    def make(out: str = "out", **values: Any) -> TrainConfig:
        standard = {"eval_interval": 2, "save_interval": 0, "max_steps": 4}
        return tiny_config(text_model, data, tmp_path / out, **{**standard, **values})

    return make


def stop_at(config: TrainConfig, is_there: Callable[[Event], bool]) -> tuple[list[Event], str]:
    """Run until an event is there, and send SIGTERM then; what was told, and what was said."""
    events: list[Event] = []

    def tell(event: Event) -> None:
        events.append(event)
        if is_there(event):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError) as said:
        train(config, on_event=tell)
    return events, str(said.value)


def measured(events: list[Event]) -> list[tuple[str, int]]:
    return [
        (type(event).__name__, event.step)
        for event in events
        if isinstance(event, Evaluated | Sampled)
    ]


@pytest.mark.parametrize(
    "values", [{"eval_split": 0.2}, {"sample_prompts": PROMPTS}], ids=["loss", "answers"]
)
@pytest.mark.parametrize("step", [2, 4])
def test_what_is_being_measured_is_dropped_and_made_anew(
    config: Config, values: dict[str, Any], step: int
) -> None:
    whole = config("whole", **values)
    undisturbed: list[Event] = []
    train(whole, on_event=undisturbed.append)
    cut = config("cut", **values)
    first, _ = stop_at(
        cut, lambda event: isinstance(event, EvaluationStarted) and event.step == step
    )
    (asked,) = (event for event in first if isinstance(event, StopAsked))
    assert asked.doing == "evaluation"
    assert [event.step for event in first if isinstance(event, Saved)] == [step]
    assert [event.step for event in first if isinstance(event, Stepped)][-1] == step
    second: list[Event] = []
    train(cut, on_event=second.append)
    assert measured(first + second) == measured(undisturbed)
    one, other = (load_file(out / "model.safetensors") for out in (cut.out, whole.out))
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_before_the_first_step_there_is_nothing_to_save(config: Config) -> None:
    cut = config(sample_prompts=PROMPTS)
    events, said = stop_at(cut, lambda event: isinstance(event, EvaluationStarted))
    assert "before the first step" in said
    assert "begins anew" in said
    assert not measured(events)
    assert not list(cut.out.glob("checkpoint-*"))


def test_a_step_that_was_told_to_stop_leaves_its_measurement_to_the_next_start(
    config: Config,
) -> None:
    cut = config(eval_split=0.2)
    first, _ = stop_at(cut, lambda event: isinstance(event, Stepped) and event.step == 1)
    (asked,) = (event for event in first if isinstance(event, StopAsked))
    assert asked.doing == "step"
    assert measured(first) == [("Evaluated", 0)]
    state = json.loads((cut.out / "checkpoint-2" / "state.json").read_text())
    assert state["is_measured"] is False
    second: list[Event] = []
    train(cut, on_event=second.append)
    assert measured(second) == [("Evaluated", 2), ("Evaluated", 4)]


def test_what_is_told_to_stop_while_it_saves_takes_no_further_step(config: Config) -> None:
    cut = config(save_interval=1)
    events, _ = stop_at(cut, lambda event: isinstance(event, Saved) and event.step == 1)
    (asked,) = (event for event in events if isinstance(event, StopAsked))
    assert asked.doing == "saving"
    assert [event.step for event in events if isinstance(event, Stepped)] == [1]


class AskedAt(StopRequest):
    """Is asked to stop when the run looks for the so manieth time."""

    def __init__(self, look: int) -> None:
        self.looks, self._look = 0, look
        super().__init__(lambda _: None)

    @property
    def is_made(self) -> bool:  # type: ignore[override]
        self.looks += 1
        return self.looks >= self._look

    @is_made.setter
    def is_made(self, value: bool) -> None:
        pass


def test_an_answer_ends_at_the_next_token_and_is_not_told(config: Config) -> None:
    told = config(sample_prompts=PROMPTS)
    loaded = load_model(told.model)
    processes = Processes(0, 0, 1, torch.device("cpu"))
    engine = LocalEngine(Learner(freeze(loaded, told)), told, processes)
    evaluation = Evaluation(None, PROMPTS, loaded, told, Sight(None, told, processes))
    whole, cut = AskedAt(1 << 30), AskedAt(5)
    events: list[Event] = []
    assert evaluation.run(engine, step=0, emit=events.append, request=whole)
    assert measured(events) == [("Sampled", 0)] * 2
    assert whole.looks > 20
    assert not evaluation.run(engine, step=0, emit=events.append, request=cut)
    assert len(measured(events)) == 2
    assert cut.looks == 5
