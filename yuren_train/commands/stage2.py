# SPDX-License-Identifier: Apache-2.0
"""`yuren-train stage2`: the projector alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from yuren_core.i18n import tr
from yuren_train.commands.requirements import TRAINING, require
from yuren_train.commands.stage_options import stage_options
from yuren_train.commands.stage_run import run_stage
from yuren_train.commands.waiting import waiting
from yuren_train.training.launching import Launch


@click.command()
@stage_options("stage2")
def stage2(file: Path | None, dry_run: bool, launch: Launch, **options: Any) -> None:
    """Teach the projector alone, from pictures.

    Language model and vision tower are frozen. --model is what stage 1 wrote, given eyes by
    prepare-base --vision-tower before or after it. Ctrl+C saves; the same command goes on
    where it stopped.
    """
    require(*TRAINING)
    with waiting(tr("watch.starting")):
        from yuren_train.recipes.stage2_projector import train

    run_stage("stage2", options, recipe=train, file=file, dry_run=dry_run, launch=launch)
