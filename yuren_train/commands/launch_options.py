# SPDX-License-Identifier: Apache-2.0
"""The options that make one command many processes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from yuren_train.training.launching import Launch


def launch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--nproc`, `--nnodes`, `--node-rank`, `--master`, as one `launch`."""

    @click.option("--nproc", type=int, default=1, help="Processes on this machine, one a GPU.")
    @click.option("--nnodes", type=int, default=1, help="Machines.")
    @click.option("--node-rank", type=int, default=0, help="Which of them this is, from 0.")
    @click.option("--master", default="", metavar="HOST[:PORT]", help="Where machine 0 listens.")
    @functools.wraps(command)
    def with_launch(nproc: int, nnodes: int, node_rank: int, master: str, **options: Any) -> Any:
        return command(launch=Launch(nproc, nnodes, node_rank, master), **options)

    return with_launch
