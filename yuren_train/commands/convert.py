# SPDX-License-Identifier: Apache-2.0
"""`yuren-train convert`: a published model in our layout."""

from __future__ import annotations

from pathlib import Path

import click

from yuren_core.i18n import tr
from yuren_train.commands.quiet import quiet_libraries
from yuren_train.models import convert as converting


@click.command()
@click.option(
    "--model", required=True, metavar="REF", help="A published model: a directory or hub id."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The directory to be made; it must be new or empty.",
)
def convert(model: str, out: Path) -> None:
    """Write a published model in our layout: safetensors, a fast tokenizer, its vision tower.

    Weights, ids and prompt stay what they are. The old logits are proved unchanged, or nothing
    is kept. To train on, make a base of it: yuren-train prepare-base.
    """
    quiet_libraries()
    made = converting.convert(
        model, out, tell=lambda step: click.echo(tr(f"convert.step_{step}"), err=True)
    )
    if made.style.after_answer:
        click.echo(tr("convert.after_answer", token=made.style.after_answer))
    if made.style.pictures_last:
        click.echo(tr("convert.pictures_last"))
    if made.image_tokens:
        click.echo(tr("prepare.picture", tokens=made.image_tokens + 2))
    click.echo(tr("prepare.proof", tokens=made.compared, difference=f"{made.difference:.3g}"))
    click.echo(tr("convert.done", path=made.path))
