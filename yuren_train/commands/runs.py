# SPDX-License-Identifier: Apache-2.0
"""`yuren-train runs`: what became of the runs in a directory."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_train.commands.pages import page
from yuren_train.training.history import History, find_histories
from yuren_train.training.quantities import duration

_PAGE = 120  # columns, where there is no terminal
_STYLES = {
    "running": "cyan",
    "finished": "green",
    "stopped": "yellow",
    "interrupted": "yellow",
    "failed": "red",
}


@click.command()
@click.argument(
    "directory",
    default=Path("runs"),
    metavar="[DIR]",
    type=click.Path(file_okay=False, path_type=Path),
)
@click.option("--json", "in_json", is_flag=True, help="Print one JSON object a line.")
def runs(directory: Path, in_json: bool) -> None:
    """List the runs in DIR and below it (runs/ by default), the newest last."""
    if not directory.is_dir():
        raise UsageError(
            tr("error.run.no_directory", path=directory), tr("error.run.no_directory_hint")
        )
    histories = sorted(find_histories(directory), key=lambda history: history.updated)
    if in_json:
        for history in histories:
            click.echo(json.dumps(_values(history), ensure_ascii=False))
        return
    if not histories:
        click.echo(tr("runs.none", path=directory), err=True)
        return
    page(_PAGE).print(_table(histories, directory))


def _table(histories: list[History], directory: Path) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(tr("runs.run"), overflow="fold")
    for name in ("stage", "method", "model"):
        table.add_column(tr(f"runs.{name}"), overflow="ellipsis")
    for name in ("steps", "loss", "eval_loss"):
        table.add_column(tr(f"runs.{name}"), justify="right", no_wrap=True)
    table.add_column(tr("runs.state"), no_wrap=True)
    table.add_column(tr("runs.age"), justify="right", no_wrap=True)
    for history in histories:
        values = _values(history)
        inside = history.path.relative_to(directory)
        table.add_row(
            Text(str(inside) if inside.parts else history.path.resolve().name),
            values["stage"],
            values["method"],
            Text(Path(values["model"]).name),
            f"{values['step']}/{values['total_steps']}",
            _number(values["loss"]),
            _number(values["eval_loss"]),
            Text(tr(f"runs.state_{history.state}"), _STYLES[history.state]),
            duration(max(0.0, time.time() - history.updated)),
        )
    return table


def _values(history: History) -> dict[str, Any]:
    losses, eval_losses = history.losses()[1], history.eval_losses()[1]
    return {
        "run": str(history.path),
        **{name: history.started[name] for name in ("stage", "method", "model")},
        "step": history.step,
        "total_steps": history.started["total_steps"],
        "loss": losses[-1] if losses else None,
        "eval_loss": eval_losses[-1] if eval_losses else None,
        "state": history.state,
        "updated": history.updated,
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
