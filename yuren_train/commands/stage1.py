# SPDX-License-Identifier: Apache-2.0
"""`yuren-train stage1`: text SFT."""

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
@stage_options("stage1")
def stage1(file: Path | None, dry_run: bool, launch: Launch, **options: Any) -> None:
    """Teach a language model to answer, from text.

    With nothing else, the starter model learns from the bundled sample conversations, and
    the result is in runs/. Ctrl+C saves; the same command goes on where it stopped.
    """
    require(*TRAINING)
    with waiting(tr("watch.starting")):
        from yuren_train.recipes.stage1_text import train

    run_stage("stage1", options, recipe=train, file=file, dry_run=dry_run, launch=launch)
