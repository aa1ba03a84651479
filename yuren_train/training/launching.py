# SPDX-License-Identifier: Apache-2.0
"""One command becomes many processes: torchrun started by ourselves, or joined.

Under torchrun, DeepSpeed's launcher or Slurm the environment says who this process is, and
nothing is started. Slurm's own variables are given torchrun's names.
"""

from __future__ import annotations

import logging
import os
import re
import signal
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yuren_core.errors import UsageError, YurenError
from yuren_core.i18n import tr
from yuren_train.training.stopping import STOPPED_EXIT_CODE

_SLURM = {
    "RANK": "SLURM_PROCID",
    "WORLD_SIZE": "SLURM_NTASKS",
    "LOCAL_RANK": "SLURM_LOCALID",
}
_PORT = 29500
_LOG_LEVEL = "CRITICAL"
_PATIENCE = "3600"  # seconds that processes may take to save when the run is told to stop


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


def tells_failure() -> bool:
    """Whether this process is the one that says why the run has failed; to be asked once.

    Of those that torchrun has started on a machine, it is the first that fails: the others say
    the same, or only that they have lost it. Under another launcher none knows of the others,
    and each says its own.
    """
    own = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if own is None or not is_launched():
        return True
    try:  # ATTEMPT/LOCAL_RANK/error.json
        (Path(own).parent.parent / "told").open("x").close()
    except FileExistsError:
        return False
    except OSError:
        return True
    return True


def world_of(launch: Launch) -> int:
    """Processes of the run: what the launcher says, or what is about to be launched."""
    if is_launched():
        return int(os.environ["WORLD_SIZE"])
    return launch.nproc * launch.nnodes


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
        nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST")
        # The node that called srun may be one to log in on, where no rank runs.
        first = _first_node(nodes or "") or environment.get("SLURM_LAUNCH_NODE_IPADDR", "")
        if not first:
            raise UsageError(tr("error.launch.slurm"), tr("error.launch.slurm_hint"))
        environment["MASTER_ADDR"] = first
    environment.setdefault("MASTER_PORT", str(_PORT))


def _first_node(nodes: str) -> str:
    """The first name of Slurm's list: "gpu[07-09,12],big1" is "gpu07"."""
    match = re.match(r"([^,\[]*)(?:\[([^,\-\]]*)[^\]]*\]([^,]*))?", nodes)
    return "".join(part or "" for part in match.groups()) if match else ""


def relaunch(launch: Launch, arguments: Sequence[str]) -> int:
    """Run `yuren-train ARGUMENTS` in several processes, and wait for them.

    Args:
        launch: how many, and where.
        arguments: behind `yuren-train`; those of launching do no harm, since a launched
            process does not launch again.

    Returns:
        The exit code: 0, that of the first process that failed, or that of a run which was told
        to stop: SIGTERM and Ctrl+C are handed on to every process, which then saves.

    Raises:
        UsageError: numbers that cannot be.
        YurenError: a process was killed.
    """
    check_launch(launch)
    place = ["--standalone"]
    if launch.nnodes > 1:
        host, _, port = launch.master.partition(":")
        place = [
            *("--nnodes", str(launch.nnodes), "--node-rank", str(launch.node_rank)),
            *("--master-addr", host, "--master-port", port or str(_PORT)),
        ]
    # Behind "--", since torchrun would read --nproc as one of its own.
    program = ["--nproc-per-node", str(launch.nproc), "-m", "--", "yuren_train", *arguments]
    cores = os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // launch.nproc)))
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", _PATIENCE)
    return _torchrun([*place, *program])


def _torchrun(arguments: Sequence[str]) -> int:
    """torchrun in this process, so that what is sent to it reaches those that train."""
    os.environ.setdefault("LOGLEVEL", _LOG_LEVEL)  # it would tell of a stop as of a failure
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed"):  # that were made before the level was set
            logging.getLogger(name).setLevel(os.environ["LOGLEVEL"])
    with _signals_restored():
        try:
            run(parse_args(list(arguments)))
        except SignalException:
            return STOPPED_EXIT_CODE
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            if failure.exitcode > 0:
                return int(failure.exitcode)
            name = signal.Signals(-failure.exitcode).name
            raise YurenError(
                tr("error.launch.killed", rank=rank, signal=name), tr("error.launch.killed_hint")
            ) from error
    return 0


@contextmanager
def _signals_restored() -> Iterator[None]:
    """torchrun leaves its handlers behind."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def check_launch(launch: Launch) -> None:
    """Refuse numbers that cannot be.

    Raises:
        UsageError: it says what they may be.
    """
    if launch.nproc < 1 or launch.nnodes < 1:
        raise UsageError(tr("error.launch.numbers"), tr("error.launch.numbers_hint"))
    if not 0 <= launch.node_rank < launch.nnodes:
        raise UsageError(
            tr("error.launch.node", rank=launch.node_rank, nodes=launch.nnodes),
            tr("error.launch.node_hint", last=launch.nnodes - 1),
        )
    if launch.nnodes > 1 and not launch.master:
        raise UsageError(tr("error.launch.master"), tr("error.launch.master_hint"))
