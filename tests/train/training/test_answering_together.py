# SPDX-License-Identifier: Apache-2.0
"""Ranks whose answers differ in length end them together, and hear a request together."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from yuren_train.training.evaluation import _Cut, _Turns
from yuren_train.training.processes import Processes
from yuren_train.training.stopping import StopRequest


def _rank(rank: int, place: str) -> None:
    directory = Path(place)
    dist.init_process_group(
        "gloo", init_method=f"file://{directory / 'meet'}", rank=rank, world_size=2
    )
    request = StopRequest(lambda _: None)
    processes = Processes(rank, rank, 2, torch.device("cpu"))
    turns = _Turns(processes, request)
    for _ in range(3 + 4 * rank):
        turns.is_cut()
    turns.end()
    said = [processes.total([1.0])]
    tokens = 0
    try:
        turns = _Turns(processes, request)
        for tokens in range(2 + 8 * rank):
            request.is_made = rank == 1 and tokens == 5  # of one rank, when the other has ended
            turns.is_cut()
        turns.end()
    except _Cut:
        said.append([float(tokens)])
    said.append([float(processes.any(request.is_made))])
    (directory / str(rank)).write_text(repr(said))
    dist.destroy_process_group()


def test_answers_of_different_length_end_together_and_are_cut_together(tmp_path: Path) -> None:
    spawn(_rank, (str(tmp_path),), nprocs=2)
    assert (tmp_path / "0").read_text() == "[[2.0], [1.0], [1.0]]"
    assert (tmp_path / "1").read_text() == "[[2.0], [5.0], [1.0]]"
