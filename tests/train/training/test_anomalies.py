# SPDX-License-Identifier: Apache-2.0
"""A loss that is no number or leaps stops the run, with the rows; lack of memory, with numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.tiny_run import tiny_config, write_rows
from yuren_core.errors import OutOfMemoryError
from yuren_train.config import TrainConfig
from yuren_train.data.collator import Batch
from yuren_train.data.packing import Step
from yuren_train.recipes.stage1_text import train
from yuren_train.training.anomalies import (
    DivergedError,
    LossWatch,
    LossWatches,
    naming_memory,
)
from yuren_train.training.engines import LocalEngine
from yuren_train.training.events import Event, Stepped, Warned
from yuren_train.training.learner import Learner
from yuren_train.training.run_plan import NumberedStep

Config = Callable[..., TrainConfig]
CPU = torch.device("cpu")


@pytest.fixture
def config(text_model: Path, tmp_path: Path) -> Config:
    data = write_rows(tmp_path / "rows.jsonl")

    def make(out: str = "out", **values: Any) -> TrainConfig:
        return tiny_config(text_model, data, tmp_path / out, **values)

    return make


def break_the_loss(monkeypatch: pytest.MonkeyPatch, *, at_call: int, factor: float) -> None:
    calls = 0
    plain = Learner.forward

    def forward(self: Learner, batch: Batch) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return plain(self, batch) * (factor if calls == at_call else 1.0)

    monkeypatch.setattr(Learner, "forward", forward)


def test_nan_names_the_rows_and_keeps_the_last_checkpoint(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_the_loss(monkeypatch, at_call=6, factor=float("nan"))
    events: list[Event] = []
    with pytest.raises(DivergedError, match="step 6 is nan") as error:
        train(config(save_interval=2), on_event=events.append)
    rows = [line for line in str(error.value).splitlines() if "rows.jsonl:" in line]
    assert len(rows) == 8
    assert [event.step for event in events if isinstance(event, Stepped)] == [1, 2, 3, 4, 5]
    assert sorted(path.name for path in config().out.glob("checkpoint-*")) == [
        "checkpoint-2",
        "checkpoint-4",
    ]


def test_a_run_that_broke_goes_on_from_its_last_checkpoint(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        break_the_loss(broken, at_call=6, factor=float("nan"))
        with pytest.raises(DivergedError):
            train(config(save_interval=2), on_event=lambda _: None)
    events: list[Event] = []
    train(config(save_interval=2), on_event=events.append)
    assert next(event.step for event in events if isinstance(event, Stepped)) == 5


def test_a_leap_stops_before_it_is_learned_from(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_the_loss(monkeypatch, at_call=20, factor=50.0)
    events: list[Event] = []
    with pytest.raises(DivergedError, match="leapt"):
        train(config(epochs=6), on_event=events.append)
    assert max(event.step for event in events if isinstance(event, Stepped)) == 19


def test_a_run_that_a_leap_stopped_goes_on_over_it(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        break_the_loss(broken, at_call=20, factor=50.0)
        with pytest.raises(DivergedError, match="--on-spike warn"):
            train(config(epochs=6, save_interval=9), on_event=lambda _: None)
    break_the_loss(monkeypatch, at_call=2, factor=50.0)  # step 20 of the run that goes on at 19
    events: list[Event] = []
    train(config(epochs=6, save_interval=9, on_spike="warn"), on_event=events.append)
    steps = [event.step for event in events if isinstance(event, Stepped)]
    assert steps == list(range(19, 31))
    (warned,) = [event.message for event in events if isinstance(event, Warned)]
    assert "leapt" in warned
    assert warned.count("rows.jsonl:") == 8


def test_leaps_are_passed_over_where_one_says_so_but_nan_never_is(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Event] = []
    with monkeypatch.context() as broken:
        break_the_loss(broken, at_call=20, factor=50.0)
        train(config(epochs=6, on_spike="off"), on_event=events.append)
    assert not [event for event in events if isinstance(event, Warned)]
    break_the_loss(monkeypatch, at_call=2, factor=float("nan"))
    with pytest.raises(DivergedError) as error:
        train(config(out="nan", on_spike="off"), on_event=events.append)
    assert "--on-spike" not in str(error.value)


def test_gradients_that_are_no_numbers_change_no_weight(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines: list[LocalEngine] = []
    plain = LocalEngine.forward_backward

    def spoil(self: LocalEngine, batch: Batch | None, normaliser: int) -> torch.Tensor:
        loss = plain(self, batch, normaliser)
        first = next(iter(self._trained.values()))
        assert first.grad is not None
        first.grad.view(-1)[0] = float("inf")
        engines.append(self)
        return loss

    monkeypatch.setattr(LocalEngine, "forward_backward", spoil)
    with pytest.raises(DivergedError, match="gradients of step 1"):
        train(config(), on_event=lambda _: None)
    assert all(weight.isfinite().all() for weight in engines[0]._trained.values())


def test_ordinary_losses_are_no_leaps() -> None:
    watch = LossWatch()
    for loss in [4.0, 3.5, 5.0, *[2.0] * 20, *[0.05] * 80, 0.1, 1.0, 4.9]:
        assert not watch.has_leapt(loss), loss
        watch.remember(loss)
    assert watch.has_leapt(5.1)


def test_a_watch_goes_on_from_its_state() -> None:
    watch = LossWatch()
    for loss in [3.0] * 40:
        watch.remember(loss)
    again = LossWatch(**watch.state())  # type: ignore[arg-type]
    assert again.has_leapt(9.5)
    assert not again.has_leapt(8.5)


def test_lack_of_memory_says_what_to_change(config: Config) -> None:
    told = config(batch_size=5, grad_accum=2, max_length=4096)
    with pytest.raises(OutOfMemoryError) as error, naming_memory(told, CPU):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
    text = str(error.value)
    assert "20480 tokens" in text
    assert "--batch-size 3 --grad-accum 4" in text
    assert "--gradient-checkpointing" in text
    assert "--max-length 2048" in text


def test_other_errors_pass(config: Config) -> None:
    with pytest.raises(RuntimeError, match="something else"), naming_memory(config(), CPU):
        raise RuntimeError("something else")


def test_a_step_of_text_among_pictures_is_no_leap() -> None:
    plan = Step(micro_batches=((0,),), rows=1)
    seeing = NumberedStep(1, 0.0, plan, 1, 1, pictures=1)
    blind = NumberedStep(2, 0.0, plan, 1, 1, pictures=0)
    watches = LossWatches()
    for _ in range(20):
        watches.of(seeing).remember(0.1)
    again = LossWatches(**watches.state())  # type: ignore[arg-type]
    assert not again.of(blind).has_leapt(3.0)
    assert again.of(seeing).has_leapt(3.0)
