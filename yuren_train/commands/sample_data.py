# SPDX-License-Identifier: Apache-2.0
"""`yuren-train sample-data`: a small set of pictures and text to try all stages on."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from yuren_core.i18n import tr
from yuren_train.recipes.starter.sample_set import SampleSet, Step, write_sample_set


@click.command("sample-data")
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The directory to be made: new or empty, or the same set half done.",
)
@click.option(
    "--pictures",
    type=click.IntRange(min=2),
    default=SampleSet().pictures,
    show_default=True,
    help="Of stages 2 and 3 together.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def sample_data(out: Path, pictures: int, seed: int) -> None:
    """Make a small set of pictures and text, enough to try all three stages in an hour.

    The pictures are scenes drawn from free art (Noto Emoji, Twemoji), which npm fetches; its
    licences come to lie beside them. DIR/README.md says what is what, and how to go on. After
    an interruption the same command goes on.
    """
    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    tasks: dict[Step, TaskID] = {}
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bars:

        def tell(step: Step, done: int, total: int) -> None:
            if step not in tasks:
                words = tr(f"sample_data.step_{step.replace('-', '_')}")
                if bars.disable:
                    click.echo(f"{words} ({total})", err=True)
                tasks[step] = bars.add_task(words, total=total)
            bars.update(tasks[step], completed=done)

        readme = write_sample_set(out, SampleSet(pictures, seed), tell=tell)
    click.echo(tr("sample_data.done", path=out))
    click.echo(tr("sample_data.read", path=readme))
