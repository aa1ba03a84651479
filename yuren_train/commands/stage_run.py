# SPDX-License-Identifier: Apache-2.0
"""What the commands of all three stages do: settle the config, start processes, run the recipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import click
from rich.console import Console

from yuren_core import starter
from yuren_core.shipped import assets_dir
from yuren_train.commands.requirements import packages_of, require
from yuren_train.commands.stage_options import typed
from yuren_train.config import Stage, TrainConfig
from yuren_train.config.model_shape import ModelShape
from yuren_train.config.settling import Settled, settle
from yuren_train.training.events import Event, Listener
from yuren_train.training.launching import (
    Launch,
    adopt_slurm,
    check_launch,
    is_first,
    is_launched,
    relaunch,
    world_of,
)


class Recipe(Protocol):
    """A stage from top to bottom."""

    def __call__(self, config: TrainConfig, *, on_event: Listener) -> Path: ...


def run_stage(
    stage: Stage,
    options: Mapping[str, Any],
    *,
    recipe: Recipe,
    file: Path | None,
    dry_run: bool,
    launch: Launch,
) -> None:
    """Run a stage as the command line says.

    Args:
        stage: which.
        options: as click gives them, by the names of `TrainConfig`.
        recipe: what trains.
        file: a YAML file.
        dry_run: print what would be done, and stop.
        launch: how many processes.

    Raises:
        YurenError: anything that a person can mend.
        click.exceptions.Exit: with the code of launched processes that failed.
    """
    check_launch(launch)
    adopt_slurm(os.environ)
    is_alone = not is_launched()
    settled = settle(
        stage, typed=typed(options), file=file, shape_of=_shape_of, standard=_standard(stage)
    )
    _refuse_what_cannot_run(settled.config, world_of(launch))
    if dry_run:
        _dry_run(settled, launch)
    elif is_alone and launch.nproc * launch.nnodes > 1:
        if code := relaunch(launch, sys.argv[1:]):
            raise click.exceptions.Exit(code)
    elif is_first():
        from yuren_train.training.watching import watching

        with watching(settled) as listener:
            recipe(settled.config, on_event=listener)
    else:
        recipe(settled.config, on_event=_tell_nobody)


def _standard(stage: Stage) -> dict[str, Any]:
    """Model and data of whoever names none: only stage 1, as no rows that ship have pictures."""
    if stage != "stage1":
        return {}
    return {
        "model": str(starter.starter_dir()),
        "data": [str(assets_dir() / "data" / "sample.jsonl")],
    }


def _shape_of(ref: str) -> ModelShape:
    """The shape of a model; the starter is installed where it is wanted and missing."""
    if Path(ref) == starter.starter_dir() and (code := starter.main()):
        raise click.exceptions.Exit(code)
    from yuren_core.model.loading import base_directory, find_model
    from yuren_core.model.weights import tell_nobody

    return ModelShape.of(base_directory(find_model(ref, tell_nobody)))


def _refuse_what_cannot_run(config: TrainConfig, world: int) -> None:
    """What a run would find out only once its model is loaded.

    Raises:
        UsageError: a package is missing, or DeepSpeed's configuration contradicts the run.
    """
    from yuren_train.training.deepspeed_config import deepspeed_settings
    from yuren_train.training.engine_choice import uses_deepspeed

    require(*packages_of(config))
    if uses_deepspeed(config):
        deepspeed_settings(config, world)


def _dry_run(settled: Settled, launch: Launch) -> None:
    from yuren_train.commands.dry_run import show_dry_run
    from yuren_train.commands.model_tokenizer import chat_tokenizer
    from yuren_train.data.tokenized import tokenize

    config = settled.config
    rows = tokenize(
        config.data,
        tokenizer=chat_tokenizer(config.model),
        max_length=config.max_length,
        images_dir=config.images,
        workers=config.workers,
        on_bad_image=config.on_bad_image,
    )
    tokens = int(rows.lengths.sum())
    show_dry_run(settled, tokens=tokens, world=world_of(launch), console=Console())


def _tell_nobody(event: Event) -> None:
    pass
