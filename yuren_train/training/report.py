# SPDX-License-Identifier: Apache-2.0
"""`OUT/report.md`: a page about a run, written at its end, or of what is known where it failed."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from yuren_core import __version__
from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.paths import atomic_write
from yuren_train.config.settling import Settled
from yuren_train.training.figures import draw_runs
from yuren_train.training.history import History, read_history
from yuren_train.training.quantities import brief, clock, gib

REPORT = "report.md"
CURVES = Path("report") / "curves.png"
_LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "deepspeed")


def write_report(settled: Settled) -> Path:
    """Write the page and its picture into the run's directory.

    Args:
        settled: what the run was told.

    Returns:
        The page.

    Raises:
        UsageError: the run has not begun.
        StorageError: it cannot be written.
    """
    out = settled.config.out
    history = read_history(out)
    has_curves = bool(history.steps)
    if has_curves:
        try:
            draw_runs([history], out / CURVES)
        except UsageError:  # no matplotlib
            has_curves = False
    atomic_write(out / REPORT, "\n\n".join(_page(settled, history, has_curves)) + "\n")
    return out / REPORT


def _page(settled: Settled, history: History, has_curves: bool) -> Iterator[str]:
    config = settled.config
    yield f"# {config.run_name or config.out.name}"
    yield _state(history)
    yield _table(_result(history))
    if has_curves:
        yield f"![{tr('report.curves')}]({CURVES.as_posix()})"
    if samples := list(_samples(history)):
        yield f"## {tr('report.samples')}"
        yield from samples
    yield f"## {tr('report.data')}"
    yield _table(_data(settled, history))
    yield f"## {tr('report.environment')}"
    yield _table(_environment(history))
    if history.warnings:
        yield f"## {tr('report.warnings')}"
        yield "\n".join(f"- {' '.join(message.split())}" for message in history.warnings)
    yield f"## {tr('report.config')}"
    yield _fenced(settled.text().rstrip(), "yaml")


def _state(history: History) -> str:
    total = history.started["total_steps"]
    words = tr(f"report.state_{history.state}", step=history.step, total=total)
    if history.state == "failed" and history.ended is not None:
        return f"{words}\n\n{_fenced(str(history.ended.get('message', '')))}"
    return words


def _result(history: History) -> Iterator[tuple[str, str]]:
    evals, steps = history.eval_losses()[1], history.steps
    yield tr("report.steps"), f"{history.step} / {history.started['total_steps']}"
    if evals:
        text = f"{evals[0]:.4f} → {evals[-1]:.4f} ({evals[-1] - evals[0]:+.4f})"
        yield tr("report.eval_loss"), text
    if losses := history.losses()[1]:
        yield tr("report.loss"), f"{losses[0]:.4f} → {losses[-1]:.4f}"
    if steps:
        seconds = sum(record["seconds"] for record in steps)
        tokens = sum(record["tokens"] for record in steps)
        yield tr("report.time"), clock(seconds)
        yield tr("report.tokens"), f"{tokens:,} ({brief(tokens / max(seconds, 1e-9))}/s)"
        yield tr("report.memory"), gib(max(record["memory_bytes"] for record in steps))
        if used := [record["mfu"] for record in steps if record.get("mfu") is not None]:
            yield "MFU", f"{sum(used) / len(used):.1%}"
    if history.ended is not None and "proof" in history.ended:
        yield tr("report.proof"), f"{history.ended['proof']:.3g}"


def _samples(history: History) -> Iterator[str]:
    """Each question with its first answer and its newest."""
    for prompt in dict.fromkeys(record["prompt"] for record in history.samples):
        answers = [record for record in history.samples if record["prompt"] == prompt]
        yield _fenced(prompt)
        for record in answers if len(answers) < 2 else (answers[0], answers[-1]):
            yield f"{tr('report.after', step=record['step'])}\n\n{_fenced(record['answer'])}"


def _data(settled: Settled, history: History) -> Iterator[tuple[str, str]]:
    config, started = settled.config, history.started
    yield tr("report.files"), ", ".join(f"`{source.path}`" for source in config.data)
    if config.eval_data:
        yield tr("report.eval_files"), ", ".join(f"`{source.path}`" for source in config.eval_data)
    yield tr("report.rows"), f"{started['rows']:,}"
    learned = f"{started['tokens']:,} ({started['label_tokens']:,})"
    yield tr("report.data_tokens"), learned
    if (packing := started.get("packing_efficiency")) is not None:
        yield tr("report.packing"), f"{packing:.1%}"


def _environment(history: History) -> Iterator[tuple[str, str]]:
    started = history.started
    device = started["device_name"] or f"{platform.machine()} CPU, {os.cpu_count()}"
    yield tr("report.device"), f"{started['world']} × {device}"
    trained, parameters = started["trainable_parameters"], started["parameters"]
    yield tr("report.parameters"), f"{parameters:,} ({trained:,})"
    yield "yuren", __version__
    yield "Python", f"{platform.python_version()}, {platform.system()}"
    for library in _LIBRARIES:
        try:
            yield library, version(library)
        except PackageNotFoundError:
            continue


def _table(rows: Iterator[tuple[str, str]]) -> str:
    lines = [f"| {name} | {value.replace('|', chr(92) + '|')} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])


def _fenced(text: str, language: str = "") -> str:
    """Text as it is, in a fence that nothing in it can close."""
    runs: Sequence[str] = re.findall(r"`{3,}", text)
    fence = "`" * max(3, *(len(run) + 1 for run in runs), 3)
    return f"{fence}{language}\n{text}\n{fence}"
