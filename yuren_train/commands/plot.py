# SPDX-License-Identifier: Apache-2.0
"""`yuren-train plot`: losses and learning rates of runs as a PNG."""

from __future__ import annotations

from pathlib import Path

import click

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_train.training.figures import draw_runs
from yuren_train.training.history import read_history


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The PNG; plot.png in the first run's directory by default.",
)
def plot(runs: tuple[Path, ...], out: Path | None) -> None:
    """Draw the curves of one RUN, or of several to compare them.

    A RUN is a run's directory; it may still be training. Losses are drawn faintly with their
    trend, evaluations as points.
    """
    histories = [read_history(path) for path in dict.fromkeys(runs)]
    for history in histories:
        if not history.steps:
            raise UsageError(
                tr("error.run.no_steps", path=history.path), tr("error.run.no_steps_hint")
            )
    target = out or runs[0] / "plot.png"
    draw_runs(histories, target)
    click.echo(target)
