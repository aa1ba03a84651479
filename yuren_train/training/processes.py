# SPDX-License-Identifier: Apache-2.0
"""The processes of one run: who is who, on which device, and sums over all of them.

A launcher (torchrun, deepspeed, slurm) says who is who in the environment: RANK, WORLD_SIZE,
LOCAL_RANK. Without one there is a single process, and nothing here communicates.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import HashStore

from yuren_core.model.quantization import choose_precision
from yuren_core.protocol import Device

_PATIENCE = timedelta(hours=2)  # one rank tokenizes or writes a large model, the others wait


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among the others.

    Attributes:
        rank: from 0 over all nodes; 0 speaks and writes.
        local_rank: from 0 on this node.
        world: how many there are.
        device: where this one computes.
    """

    rank: int
    local_rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the process that speaks and writes."""
        return self.rank == 0

    @property
    def device_name(self) -> str:
        """What the device calls itself; empty on the CPU."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else ""

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes, value by value, in fp64."""
        if self.world == 1:
            return [float(value) for value in values]
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        result: list[float] = tensor.tolist()
        return result

    def any(self, value: bool) -> bool:
        """Whether it is so for any process."""
        return self.total([float(value)])[0] > 0

    def wait(self) -> None:
        """Return when all processes have come here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def join(*, group_of_one: bool = False, device: Device = "auto") -> Iterator[Processes]:
    """Take this process's place among the others, and leave it at the end.

    Args:
        group_of_one: open a process group for a single process too: DeepSpeed wants one.
        device: the kind to compute on.

    Yields:
        Who this process is.
    """
    rank, world = _from_environment("RANK", 0), _from_environment("WORLD_SIZE", 1)
    local_rank = _from_environment("LOCAL_RANK", 0)
    where = choose_precision("auto", device).device
    if where.type == "cpu":  # what DeepSpeed would find out, and warn of
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    if where.type == "cuda":
        where = torch.device("cuda", local_rank)
        torch.cuda.set_device(where)
    opened = (world > 1 or group_of_one) and not dist.is_initialized()
    if opened:
        os.environ.setdefault("LOCAL_RANK", str(local_rank))  # DeepSpeed insists on it
        backend = "nccl" if where.type == "cuda" else "gloo"
        alone = HashStore() if world == 1 else None
        dist.init_process_group(
            backend, timeout=_PATIENCE, rank=rank, world_size=world, store=alone
        )
    try:
        yield Processes(rank, local_rank, world, where)
    finally:
        if opened:
            dist.destroy_process_group()


def _from_environment(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else default
