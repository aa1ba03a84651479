# SPDX-License-Identifier: Apache-2.0
"""`yuren-train estimate`: how much memory a run would take on each GPU."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import click
from rich.table import Table

from yuren_core import starter
from yuren_core.i18n import tr
from yuren_train.commands.pages import page
from yuren_train.config import Method, Optimizer, TrainConfig
from yuren_train.config.defaults import Situation, defaults
from yuren_train.config.model_shape import REFERENCE_SHAPES, ModelShape
from yuren_train.training.memory import CARDS, Estimate, estimate_memory, smallest_card
from yuren_train.training.quantities import brief, gib

_PAGE = 112  # columns that the whole table takes; a narrower terminal has the totals alone


@dataclass(frozen=True, slots=True)
class Case:
    """One line: a way to train, and what it takes."""

    method: str
    zero: int | None
    offload: bool
    estimate: Estimate

    @property
    def card(self) -> int | None:
        """GB of the smallest usual card that it fits on."""
        return smallest_card(self.estimate.total)


@click.command()
@click.option("--model", metavar="REF", help="A directory or hub id; the starter by default.")
@click.option(
    "--parameters", type=click.Choice(list(REFERENCE_SHAPES)), help="A usual shape, in its place."
)
@click.option("--method", type=click.Choice(get_args(Method)), help="All by default.")
@click.option("--nproc", type=click.IntRange(min=1), default=1, help="GPUs.", show_default=True)
@click.option(
    "--zero", type=click.Choice(["0", "1", "2", "3"]), help="ZeRO stage; by default those that fit."
)
@click.option("--offload", is_flag=True, help="With --zero 2 or 3: states in the CPU's memory.")
@click.option("--max-length", type=click.IntRange(min=2), help="Tokens of one row.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Rows of one GPU and forward pass.")
@click.option("--lora-rank", type=click.IntRange(min=1), help="Rank of the LoRA matrices.")
@click.option("--optimizer", type=click.Choice(get_args(Optimizer)), help="Which AdamW.")
@click.option(
    "--gradient-checkpointing/--no-gradient-checkpointing",
    default=None,
    help="Compute layers twice, to save memory.",
)
@click.option("--json", "in_json", is_flag=True, help="Print one JSON object a line, in bytes.")
def estimate(
    model: str | None,
    parameters: str | None,
    method: str | None,
    nproc: int,
    zero: str | None,
    offload: bool,
    in_json: bool,
    **values: Any,
) -> None:
    """Estimate the memory of each GPU, by method and ZeRO stage.

    What is not named has the value that stage1 would take for a model of that size. These are
    estimates: weights, gradients and states are counted, activations are modelled.
    """
    shape = REFERENCE_SHAPES[parameters] if parameters else _shape_of(model)
    methods = [method] if method else list(get_args(Method))
    ways = [(int(zero), offload)] if zero else list(_ways(nproc))
    given = {name: value for name, value in values.items() if value is not None}
    cases = []
    for each in methods:
        for stage, to_cpu in ways:
            config = _config(shape, each, {**given, "zero": stage, "offload": to_cpu})
            if to_cpu and config.optimizer != "adamw":
                continue  # refused by the run too
            cases.append(Case(each, stage, to_cpu, estimate_memory(config, shape, world=nproc)))
    if in_json:
        for case in cases:
            click.echo(json.dumps(_values(case)))
        return
    config = _config(shape, methods[0], given)
    title = tr(
        "estimate.title",
        parameters=brief(shape.parameters),
        nproc=nproc,
        length=config.max_length,
        batch_size=config.batch_size,
        checkpointing=tr("estimate.on" if config.gradient_checkpointing else "estimate.off"),
    )
    console = page(_PAGE)
    console.print(title, markup=False)
    console.print(_table(cases, with_parts=console.width >= _PAGE))
    console.print(tr("estimate.note"), style="dim", markup=False)


def _shape_of(ref: str | None) -> ModelShape:
    directory = Path(ref) if ref else starter.starter_dir()
    if ref is None and not directory.is_dir():
        return REFERENCE_SHAPES["135M"]
    if not directory.is_dir():
        from yuren_core.model.loading import find_model
        from yuren_core.model.weights import tell_nobody

        directory = find_model(str(ref), tell_nobody)
    return ModelShape.of(directory)


def _ways(nproc: int) -> Iterator[tuple[int | None, bool]]:
    """ZeRO stages worth a line, and whether states are offloaded."""
    yield None, False
    if nproc > 1:
        yield from ((stage, False) for stage in (2, 3))
    yield from ((stage, True) for stage in ((2, 3) if nproc > 1 else (2,)))


def _config(shape: ModelShape, method: str, given: Mapping[str, Any]) -> TrainConfig:
    """What stage1 would take for such a model, with what is given in its place."""
    found = defaults(Situation("stage1", method, shape))  # type: ignore[arg-type]
    values = {name: value for name, (value, _) in found.items()} | {"method": method, **given}
    return TrainConfig(stage="stage1", model="", data=(), out=Path(), **values)


def _table(cases: list[Case], *, with_parts: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(tr("estimate.method"), no_wrap=True)
    table.add_column("ZeRO", no_wrap=True)
    columns = ("weights", "gradients", "states", "activations", "rest") if with_parts else ()
    for name in (*columns, "total"):
        table.add_column(tr(f"estimate.{name}"), justify="right", no_wrap=True)
    table.add_column(tr("estimate.card"), justify="right", no_wrap=True)
    table.add_column(tr("estimate.cpu"), justify="right", no_wrap=True)
    for case in cases:
        parts = case.estimate.device
        shown = ("frozen", "weights", "gradients", "states", "activations")
        stage = "–" if case.zero is None else str(case.zero)
        offloaded = sum(case.estimate.offloaded.values())
        cells = (
            gib(parts.get("frozen", 0) + parts.get("weights", 0)),
            *(gib(parts.get(name, 0)) for name in shown[2:]),
            gib(sum(size for name, size in parts.items() if name not in shown)),
        )
        table.add_row(
            case.method,
            f"{stage} + CPU" if case.offload else stage,
            *(cells if with_parts else ()),
            f"[bold]{gib(case.estimate.total)}[/]",
            f"{case.card} GB" if case.card else tr("estimate.none", most=CARDS[-1]),
            gib(offloaded) if offloaded else "",
        )
    return table


def _values(case: Case) -> dict[str, Any]:
    return {
        "method": case.method,
        "zero": case.zero,
        "offload": case.offload,
        **asdict(case.estimate),
        "total": case.estimate.total,
        "card_gb": case.card,
    }
