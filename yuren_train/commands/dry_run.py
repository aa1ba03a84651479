# SPDX-License-Identifier: Apache-2.0
"""What `--dry-run` prints: the config with origins, what learns, what a step takes."""

from __future__ import annotations

import torch
from rich.console import Console
from rich.table import Table

from yuren_core.i18n import tr
from yuren_train.commands.stage_options import WITHOUT
from yuren_train.config.settling import Settled
from yuren_train.training.compute import estimated_seconds
from yuren_train.training.memory import estimate_memory, trainable_parameters
from yuren_train.training.quantities import duration, gib


def show_dry_run(settled: Settled, *, tokens: int, world: int, console: Console) -> None:
    """Print it.

    Args:
        settled: the config.
        tokens: of all rows in one epoch.
        world: processes.
        console: where.
    """
    config, shape = settled.config, settled.shape
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    trained = trainable_parameters(config, shape)
    read = tokens * config.epochs
    per_step = config.max_length * config.batch_size * config.grad_accum * world
    if config.max_steps:
        read = min(read, config.max_steps * per_step)
    memory = estimate_memory(config, shape, world=world, device="cuda" if name else "cpu")
    seconds = estimated_seconds(config, shape, tokens=read, world=world, device_name=name)
    table = Table.grid(padding=(0, 2))
    table.add_row(tr("dry_run.parameters"), f"{shape.parameters:,}")
    table.add_row(tr("dry_run.trainable"), f"{trained:,} ({trained / shape.parameters:.2%})")
    table.add_row(tr("dry_run.tokens"), f"{round(read):,}")
    table.add_row(tr("dry_run.tokens_per_step"), tr("dry_run.at_most", count=f"{per_step:,}"))
    table.add_row(tr("dry_run.memory"), tr("dry_run.about", size=gib(memory.total)))
    if memory.offloaded:
        table.add_row(tr("dry_run.offloaded"), gib(sum(memory.offloaded.values())))
    known = tr("dry_run.unknown_chip", name=name)
    about = known if seconds is None else tr("dry_run.about", size=duration(seconds))
    table.add_row(tr("dry_run.time"), about)
    console.print(
        settled.text(without=WITHOUT[config.stage]), markup=False, highlight=False, soft_wrap=True
    )
    console.print(table)
