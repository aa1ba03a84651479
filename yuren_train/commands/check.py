# SPDX-License-Identifier: Apache-2.0
"""`yuren-train check`: say what is in data files, what training makes of it, what is wrong."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from yuren_core import starter
from yuren_core.i18n import tr
from yuren_core.model.tokenization import ChatTokenizer
from yuren_train.commands.check_view import as_json, result_lines, sample_lines
from yuren_train.commands.model_tokenizer import chat_tokenizer
from yuren_train.data.check import CheckResult, check_files
from yuren_train.data.encoding import EncoderSpec, RowEncoder
from yuren_train.data.schema import Row
from yuren_train.data.sources import read_rows


@click.command()
@click.argument(
    "data", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--model", metavar="DIR", help="Whose tokens are counted; the starter's by default.")
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="What pictures' paths are relative to; each data file's own directory by default.",
)
@click.option(
    "--max-length",
    type=click.IntRange(min=2),
    default=4096,
    show_default=True,
    help="Tokens that a row may have.",
)
@click.option("--show", type=click.IntRange(min=0), default=0, metavar="N", help="Show N rows.")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--workers", type=click.IntRange(min=0), default=0, help="Processes; all cores by default."
)
def check(
    data: tuple[Path, ...],
    model: str | None,
    images: Path | None,
    max_length: int,
    show: int,
    in_json: bool,
    workers: int,
) -> None:
    """Say what is in DATA files, what training would make of it, and what is wrong.

    JSON arrays, JSON lines and Parquet, each also gzipped; rows as ShareGPT, LLaVA, OpenAI or
    Alpaca have them. Every fault is told as
    file:line: what, value, remedy; the exit code is 1 where there are any.

    With --show, what is learned is green, or stands between [[ and ]] where there is no colour.
    """
    tokenizer = _tokenizer(model)
    spec = EncoderSpec.of(
        tokenizer, max_length=max_length, images_dir=images, words_alone=model is None
    )
    result = _check(data, spec, workers)
    if in_json:
        click.echo(json.dumps(as_json(result), ensure_ascii=False))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for line in result_lines(result, spec):
            console.print(line)
        if tokenizer:
            _show(show, data, spec, tokenizer, console)
    if result.count("fault"):
        raise click.exceptions.Exit(1)


def _tokenizer(model: str | None) -> ChatTokenizer | None:
    """The named model's tokenizer, or the starter's; None where that is not installed."""
    if model is None and not starter.is_installed():
        return None
    return chat_tokenizer(model or str(starter.starter_dir()))


def _check(data: tuple[Path, ...], spec: EncoderSpec, workers: int) -> CheckResult:
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    )  # fmt: skip
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, transient=True, disable=not sys.stderr.isatty()) as bar:
        total = sum(path.stat().st_size for path in data)
        task = bar.add_task(tr("check.reading"), total=total)
        return check_files(
            data, spec, workers=workers, on_read=lambda size: bar.advance(task, size)
        )


def _show(
    count: int,
    data: tuple[Path, ...],
    spec: EncoderSpec,
    tokenizer: ChatTokenizer,
    console: Console,
) -> None:
    encoder = RowEncoder(spec)
    rows = (encoder.parse(raw, place) for path in data for place, raw in read_rows(path))
    for row in islice((row for row in rows if isinstance(row, Row)), count):
        for line in sample_lines(row, encoder.fit(row), tokenizer, coloured=console.is_terminal):
            console.print(line)
