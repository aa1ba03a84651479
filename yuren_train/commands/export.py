# SPDX-License-Identifier: Apache-2.0
"""`yuren-train export`: a model in the form that another engine loads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_train.commands.quiet import quiet_libraries
from yuren_train.models.export.gguf_model import MMPROJ, export_gguf
from yuren_train.models.export.gguf_writing import GgufDtype
from yuren_train.models.export.hf import export_hf
from yuren_train.models.export.llava import export_llava
from yuren_train.models.export.proof import Difference
from yuren_train.models.export.source import Step, Tell, trained_in_4bit


@click.command()
@click.option(
    "--model", required=True, metavar="REF", help="A model or an adapter: a directory or hub id."
)
@click.option(
    "--to",
    "form",
    required=True,
    type=click.Choice(("llava", "gguf", "hf")),
    help="llava: a model that sees, for transformers. gguf: any, for llama.cpp and Ollama. "
    "hf: a text-only one, a plain LLaMA.",
)
@click.option(
    "--dtype",
    type=click.Choice(get_args(GgufDtype)),
    help="Of GGUF's matrices: f16 (the default), bf16, q8_0. Others keep the weights' own.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The directory to be made; it must be new or empty.",
)
def export(model: str, form: str, dtype: GgufDtype | None, out: Path) -> None:
    """Write a model in the form that another engine loads.

    An adapter is merged into its base. What was written is read by the other side's own loader,
    and how far its logits are from ours is told.
    """
    if dtype is not None and form != "gguf":
        raise UsageError(tr("error.export.dtype", form=form), tr("error.export.dtype_hint"))
    quiet_libraries()
    with _shown(Console(stderr=True)) as tell:
        if form == "llava":
            llava = export_llava(model, out, tell=tell)
            found, words = llava.difference, [_pixels(*llava.pixels)]
            if llava.activation != "gelu":
                words.append(tr("exporting.linear"))
        elif form == "gguf":
            files = export_gguf(model, out, dtype=dtype or "f16", tell=tell)
            found, words = files.difference, [tr("exporting.ollama", path=out / "Modelfile")]
            if MMPROJ in files.files:
                words.append(tr("exporting.mmproj", file=MMPROJ))
        else:
            plain = export_hf(model, out, tell=tell)
            found, words = plain.difference, []
    for line in (_difference(found), *words):
        click.echo(line)
    if trained_in_4bit(Path(model)):
        click.echo(tr("exporting.trained_in_4bit"))
    click.echo(tr("exporting.done", path=out))


def _difference(found: Difference) -> str:
    return tr(
        "exporting.difference",
        tokens=found.tokens,
        largest=f"{found.largest:.3g}",
        same=f"{100 * found.same_choice:.1f}",
        dtype=found.dtype,
    )


def _pixels(as_it_comes: float, pil: float) -> str:
    return tr("exporting.pixels", largest=f"{as_it_comes:.2g}", pil=f"{pil:.2g}")


@contextmanager
def _shown(console: Console) -> Iterator[Tell]:
    """A bar for each step on a terminal, else a line as it begins; yields what is told."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    bars = Progress(*columns, console=console, disable=not console.is_terminal)
    tasks: dict[Step, TaskID] = {}

    def finish() -> None:
        for task in tasks.values():
            bars.update(task, total=1.0, completed=1.0)
            bars.stop_task(task)

    def show(step: Step, fraction: float | None) -> None:
        if step not in tasks:
            finish()
            words = tr(f"exporting.step_{step}")
            if not console.is_terminal:
                click.echo(words, err=True)
            tasks[step] = bars.add_task(words, total=None)
        total = None if fraction is None else 1.0
        bars.update(tasks[step], total=total, completed=fraction or 0.0)

    with bars:
        yield show
        finish()
