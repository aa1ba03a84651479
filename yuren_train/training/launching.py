# SPDX-License-Identifier: Apache-2.0
"""One command becomes many processes: torchrun started by ourselves, or joined.

Under torchrun, DeepSpeed's launcher or Slurm the environment says who this process is, and
nothing is started. Slurm's own variables are given torchrun's names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

from yuren_core.errors import UsageError
from yuren_core.i18n import tr

_SLURM = {
    "RANK": "SLURM_PROCID",
    "WORLD_SIZE": "SLURM_NTASKS",
    "LOCAL_RANK": "SLURM_LOCALID",
}
_PORT = 29500


@dataclass(frozen=True, slots=True)
class Launch:
    """How many processes, and where.

    Attributes:
        nproc: processes on this machine.
        nnodes: machines.
        node_rank: which of them this is, from 0.
        master: HOST or HOST:PORT of machine 0.
    """

    nproc: int = 1
    nnodes: int = 1
    node_rank: int = 0
    master: str = ""


def is_launched() -> bool:
    """Whether somebody has started this process as one of several, or of one."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def is_first() -> bool:
    """Whether this process is the one that talks to people."""
    return os.environ.get("RANK", "0") == "0"


def adopt_slurm(environment: MutableMapping[str, str]) -> None:
    """Give Slurm's variables torchrun's names, where srun started several tasks.

    Raises:
        UsageError: Slurm does not say where rank 0 is.
    """
    if "RANK" in environment or int(environment.get("SLURM_NTASKS", "1") or 1) < 2:
        return
    if "SLURM_PROCID" not in environment:  # sbatch's own shell, not a task of srun
        return
    for name, slurms in _SLURM.items():
        environment[name] = environment[slurms]
    if "MASTER_ADDR" not in environment:
        nodes = environment.get("SLURM_LAUNCH_NODE_IPADDR", "")
        if not nodes:
            raise UsageError(tr("error.launch.slurm"), tr("error.launch.slurm_hint"))
        environment["MASTER_ADDR"] = nodes
    environment.setdefault("MASTER_PORT", str(_PORT))


def relaunch(launch: Launch, arguments: Sequence[str]) -> int:
    """Run `yuren-train ARGUMENTS` in several processes, and wait for them.

    Args:
        launch: how many, and where.
        arguments: behind `yuren-train`; those of launching do no harm, since a launched
            process does not launch again.

    Returns:
        The exit code: 0, or that of the first process that failed.

    Raises:
        UsageError: numbers that cannot be.
    """
    _check(launch)
    place = ["--standalone"]
    if launch.nnodes > 1:
        host, _, port = launch.master.partition(":")
        place = [
            *("--nnodes", str(launch.nnodes), "--node-rank", str(launch.node_rank)),
            *("--master-addr", host, "--master-port", port or str(_PORT)),
        ]
    command = [  # behind "--", since torchrun would read --nproc as one of its own
        *(sys.executable, "-m", "torch.distributed.run", *place),
        *("--nproc-per-node", str(launch.nproc), "-m", "--", "yuren_train", *arguments),
    ]
    environment = {**os.environ}
    cores = os.cpu_count() or 1
    environment.setdefault("OMP_NUM_THREADS", str(max(1, cores // launch.nproc)))
    process = subprocess.Popen(command, env=environment)
    try:
        return process.wait()
    except KeyboardInterrupt:  # the processes got it too, and save
        return process.wait()


def _check(launch: Launch) -> None:
    if launch.nproc < 1 or launch.nnodes < 1:
        raise UsageError(tr("error.launch.numbers"), tr("error.launch.numbers_hint"))
    if not 0 <= launch.node_rank < launch.nnodes:
        raise UsageError(
            tr("error.launch.node", rank=launch.node_rank, nodes=launch.nnodes),
            tr("error.launch.node_hint", last=launch.nnodes - 1),
        )
    if launch.nnodes > 1 and not launch.master:
        raise UsageError(tr("error.launch.master"), tr("error.launch.master_hint"))
