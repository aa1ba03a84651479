# SPDX-License-Identifier: Apache-2.0
"""Who starts processes, and what Slurm's variables become."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.train.tiny_run import write_rows
from yuren_core.errors import UsageError
from yuren_train.training.launching import (
    Launch,
    adopt_slurm,
    check_launch,
    is_first,
    is_launched,
    relaunch,
    world_of,
)
from yuren_train.training.stopping import STOPPED_EXIT_CODE

TASK = {"SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "0"}


def test_a_task_of_srun_learns_its_rank() -> None:
    environment = {**TASK, "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1"}
    adopt_slurm(environment)
    assert environment["RANK"] == "2"
    assert environment["WORLD_SIZE"] == "4"
    assert environment["LOCAL_RANK"] == "0"
    assert (environment["MASTER_ADDR"], environment["MASTER_PORT"]) == ("10.0.0.1", "29500")


def test_torchruns_word_goes_before_slurms() -> None:
    environment = {**TASK, "RANK": "0", "WORLD_SIZE": "1"}
    adopt_slurm(environment)
    assert (environment["RANK"], environment["WORLD_SIZE"]) == ("0", "1")


@pytest.mark.parametrize(
    "environment", [{}, {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, {"SLURM_NTASKS": "4"}]
)
def test_one_process_stays_one(environment: dict[str, str]) -> None:
    before = dict(environment)
    adopt_slurm(environment)
    assert environment == before


def test_without_an_address_the_remedy_is_told() -> None:
    with pytest.raises(UsageError, match="MASTER_ADDR"):
        adopt_slurm(dict(TASK))


@pytest.mark.parametrize(
    "launch",
    [
        Launch(nproc=0),
        Launch(nnodes=0),
        Launch(nnodes=2, node_rank=2, master="a"),
        Launch(nnodes=2),
    ],
)
def test_numbers_that_cannot_be_are_refused(launch: Launch) -> None:
    with pytest.raises(UsageError):
        check_launch(launch)
    with pytest.raises(UsageError):
        relaunch(launch, [])


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("gpu[07-09,12],big1", "gpu07"),
        ("gpu1", "gpu1"),
        ("a,b", "a"),
        ("rack2-node[3,5]-ib", "rack2-node3-ib"),
    ],
)
def test_rank_0_is_looked_for_on_the_first_node(nodes: str, first: str) -> None:
    environment = {**TASK, "SLURM_JOB_NODELIST": nodes, "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1"}
    adopt_slurm(environment)
    assert environment["MASTER_ADDR"] == first


def test_a_launched_process_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert not is_launched()
    assert is_first()
    assert world_of(Launch(nproc=3, nnodes=2, master="a")) == 6
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert is_launched()
    assert not is_first()
    assert world_of(Launch(nproc=3)) == 2


def test_every_process_gets_the_arguments_and_its_code_comes_back() -> None:
    assert relaunch(Launch(nproc=2), ["--version"]) == 0
    assert relaunch(Launch(nproc=2), ["no-such-command"]) == 2


def test_an_argument_that_torchrun_might_take_for_its_own_is_ours() -> None:
    assert relaunch(Launch(nproc=2), ["stage1", "--nproc", "2", "--help"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_told_to_stop_saves_in_every_process(
    number: signal.Signals, text_model: Path, tmp_path: Path
) -> None:
    out, data = tmp_path / "out", write_rows(tmp_path / "rows.jsonl")
    command = [
        *(sys.executable, "-m", "yuren_train", "--lang", "en", "stage1", "--nproc", "2"),
        *("--model", str(text_model), "--data", str(data), "--out", str(out)),
        *("--epochs", "500", "--max-length", "192", "--dtype", "fp32", "--save-interval", "0"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 100
    metrics = out / "metrics.jsonl"
    while not (metrics.exists() and '"step": 3' in metrics.read_text()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == STOPPED_EXIT_CODE
    assert [path.name for path in out.glob("checkpoint-*")]
    assert said.count("stopped after step") == 1
    assert "Traceback" not in said


@pytest.mark.slow
def test_what_fails_alike_in_every_process_is_said_once(text_model: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl")
    command = [
        *(sys.executable, "-m", "yuren_train", "--lang", "en", "stage1", "--nproc", "2"),
        *("--model", str(text_model), "--data", str(data), "--out", str(text_model)),
        *("--max-length", "192"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 2
    assert done.stderr.count("holds a model that this run has not made") == 1
    assert "closing signal" not in done.stderr  # of torchrun
