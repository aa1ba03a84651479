# SPDX-License-Identifier: Apache-2.0
"""`yuren-train stage3`: projector and language model together."""

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
@stage_options("stage3")
def stage3(file: Path | None, dry_run: bool, launch: Launch, **options: Any) -> None:
    """Teach projector and language model, from pictures and text.

    The vision tower is frozen. --model is what stage 2 wrote; several --data FILE:WEIGHT mix
    pictures and text. Ctrl+C saves; the same command goes on where it stopped.
    """
    require(*TRAINING)
    with waiting(tr("watch.starting")):
        from yuren_train.recipes.stage3_multimodal import train

    run_stage("stage3", options, recipe=train, file=file, dry_run=dry_run, launch=launch)
