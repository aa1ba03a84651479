# SPDX-License-Identifier: Apache-2.0
"""`yuren-train merge`: an adapter and its base become one model."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

import click

from yuren_core.i18n import tr
from yuren_core.protocol import Device
from yuren_train.commands.quiet import quiet_libraries
from yuren_train.models import merge as merging


@click.command()
@click.option("--adapter", required=True, metavar="REF", help="An adapter: a directory or hub id.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The directory to be made; it must be new or empty.",
)
@click.option(
    "--dequantized",
    is_flag=True,
    help="Merge into the base's weights as 4 bits give them back, for an adapter of QLoRA.",
)
@click.option(
    "--device",
    type=click.Choice(get_args(Device)),
    default="auto",
    show_default=True,
    help="Where logits are computed.",
)
def merge(adapter: str, out: Path, dequantized: bool, device: str) -> None:
    """Write the model that an adapter and its base make together.

    The weights keep the dtype of the base. How far the logits are from those of the adapter as
    it was trained is measured and told.
    """
    quiet_libraries()
    made = merging.merge(
        adapter,
        out,
        dequantized=dequantized,
        device=cast("Device", device),
        tell=lambda step: click.echo(tr(f"merging.step_{step}"), err=True),
    )
    click.echo(tr("merging.base", path=made.base))
    found = made.difference
    click.echo(
        tr(
            "merging.difference",
            tokens=found.tokens,
            largest=f"{found.largest:.3g}",
            mean=f"{found.mean:.3g}",
            same=f"{100 * found.same_choice:.1f}",
        )
    )
    if made.trained_in_4bit and not dequantized:
        click.echo(tr("merging.trained_in_4bit"))
    click.echo(tr("merging.done", path=made.path))
