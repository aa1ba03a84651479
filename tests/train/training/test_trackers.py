# SPDX-License-Identifier: Apache-2.0
"""TensorBoard and the trackers that a run names."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.train.training.run_events import config, whole_run, with_intervals
from yuren_core.errors import UsageError
from yuren_train.training import trackers as module
from yuren_train.training.trackers import Trackers, check_trackers

OTHERS = ("wandb", "swanlab", "trackio")


def run_with(out: Path, *, after: int = 0, until: int = 10, **values: Any) -> list[str]:
    """What is warned of."""
    warned: list[str] = []
    run = config(out, **values)
    trackers = Trackers(run, warned.append)
    for told in with_intervals(whole_run(run, after=after, until=until), run):
        trackers(told)
    trackers.close()
    return warned


def scalars(out: Path, name: str) -> list[tuple[int, float]]:
    events: Any = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_tensorboard_has_every_number(tmp_path: Path) -> None:
    assert run_with(tmp_path) == []
    assert scalars(tmp_path, "train/loss")[2] == (3, 4.25)
    assert scalars(tmp_path, "train/tokens_per_second")[0] == (1, 200)
    assert [step for step, _ in scalars(tmp_path, "eval/loss")] == [0, 5, 10]


def test_tensorboard_shows_each_step_of_a_restarted_run_once(tmp_path: Path) -> None:
    run_with(tmp_path, until=8)
    run_with(tmp_path, after=5)
    assert [step for step, _ in scalars(tmp_path, "train/loss")] == list(range(1, 11))


@pytest.mark.parametrize("name", OTHERS)
def test_a_package_that_is_missing_is_named_with_the_remedy(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda asked: None if asked == name else find(asked)
    )
    with pytest.raises(UsageError, match=rf"{name} is not installed\npip install {name}"):
        check_trackers((name,))


def test_an_unknown_tracker_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no tracker named wandbb\nAllowed: tensorboard, wandb"):
        check_trackers(("wandbb",))


@pytest.mark.parametrize(
    ("variables", "netrc", "may"),
    [
        ({}, "", False),
        ({"WANDB_MODE": "offline"}, "", True),
        ({"WANDB_API_KEY": "k"}, "", True),
        ({}, "machine api.wandb.ai login user password k\n", True),
        ({"WANDB_BASE_URL": "https://own.example"}, "machine api.wandb.ai password k\n", False),
    ],
)
def test_wandb_without_an_account_is_refused_before_it_asks_for_one(
    variables: dict[str, str],
    netrc: str,
    may: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "netrc").write_text(netrc)
    (tmp_path / "netrc").chmod(0o600)
    for variable in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {**variables, "NETRC": str(tmp_path / "netrc")}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    if may:
        check_trackers(("wandb",))
    else:
        with pytest.raises(UsageError, match="WANDB_MODE=offline"):
            check_trackers(("wandb",))


def test_a_tracker_that_fails_is_left_out_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        logged = 0

        def __init__(self, _name: str, _started: object) -> None:
            pass

        def log(self, _values: object) -> None:
            Failing.logged += 1
            raise ConnectionError("the network is gone")

        def close(self) -> None:
            raise AssertionError("it is left out")

    monkeypatch.setattr(module, "_Accelerate", Failing)
    (warned,) = run_with(tmp_path, report_to=("trackio",))
    assert "trackio" in warned
    assert "the network is gone" in warned
    assert Failing.logged == 1
    assert len(scalars(tmp_path, "train/loss")) == 10


def test_wandb_offline_writes_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert run_with(tmp_path, report_to=("wandb",)) == []
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
