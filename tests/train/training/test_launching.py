# SPDX-License-Identifier: Apache-2.0
"""Who starts processes, and what Slurm's variables become."""

from __future__ import annotations

import pytest

from yuren_core.errors import UsageError
from yuren_train.training.launching import Launch, adopt_slurm, is_first, is_launched, relaunch

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
        relaunch(launch, [])


def test_a_launched_process_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert not is_launched()
    assert is_first()
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert is_launched()
    assert not is_first()


def test_every_process_gets_the_arguments_and_its_code_comes_back() -> None:
    assert relaunch(Launch(nproc=2), ["--version"]) == 0
    assert relaunch(Launch(nproc=2), ["no-such-command"]) != 0


def test_an_argument_that_torchrun_might_take_for_its_own_is_ours() -> None:
    assert relaunch(Launch(nproc=2), ["stage1", "--nproc", "2", "--help"]) == 0
