# SPDX-License-Identifier: Apache-2.0
"""`yuren-train prepare-base`: a LLaMA becomes a base to train."""

from __future__ import annotations

from pathlib import Path

import click

from yuren_core.i18n import tr
from yuren_train.commands.quiet import quiet_libraries
from yuren_train.models import prepare_base as preparing


@click.command("prepare-base")
@click.option("--model", required=True, metavar="REF", help="A LLaMA: a directory or hub id.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The directory to be made; it must be new or empty.",
)
@click.option(
    "--vision-tower",
    metavar="REF",
    help="A CLIP of open_clip: hf-hub:ORG/NAME, ARCH/TAG or a directory. Adds a fresh projector.",
)
@click.option(
    "--vision-layer",
    type=click.IntRange(max=-1),
    default=-2,
    show_default=True,
    help="The tower's layer that is read, counted from its end.",
)
@click.option(
    "--context-length",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="Positions of the model; the base's own by default.",
)
@click.option("--seed", default=0, show_default=True, help="Of the fresh projector.")
def prepare_base(
    model: str,
    out: Path,
    vision_tower: str | None,
    vision_layer: int,
    context_length: int | None,
    seed: int,
) -> None:
    """Give a LLaMA the control tokens of ChatML and of pictures, and a pad token of its own.

    The vocabulary is padded to a multiple of 128; new rows are the mean of the old ones. Tokens
    that the base has keep their ids. The old logits on ordinary text are proved unchanged, or
    nothing is kept.
    """
    quiet_libraries()
    made = preparing.prepare_base(
        model,
        out,
        vision_tower=vision_tower,
        vision_layer=vision_layer,
        context_length=context_length,
        seed=seed,
        tell=lambda step: click.echo(tr(f"prepare.step_{step}"), err=True),
    )
    change = made.change
    if not change.added:
        ids = ", ".join(f"{token} {token_id}" for token, token_id in change.ids.items())
        click.echo(tr("prepare.none_added", tokens=ids))
    else:
        for token, token_id in change.ids.items():
            state = tr("prepare.new" if token in change.added else "prepare.kept")
            click.echo(f"{token:<15}{token_id:>8}  {state}")
    rows = "prepare.rows_tied" if made.is_tied else "prepare.rows_untied"
    click.echo(tr(rows, before=f"{change.rows_before:,}", rows=f"{change.rows:,}"))
    if made.orphans:
        click.echo(tr("prepare.orphans", tokens=" ".join(made.orphans)))
    click.echo(tr("prepare.context", tokens=f"{made.context_length:,}"))
    if made.image_tokens:
        click.echo(tr("prepare.picture", tokens=made.image_tokens + 2))
    click.echo(tr("prepare.proof", tokens=made.compared, difference=f"{made.difference:.3g}"))
    click.echo(tr("prepare.done", path=made.path))
