# SPDX-License-Identifier: Apache-2.0
"""One frame of the live view: a pure function of how far a run is and of the room there is.

It is never wider nor higher than the terminal: what matters less goes first, the curve and the
sample. Answers of a model are text, never markup, and move no cursor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from yuren_core.i18n import tr
from yuren_train.config import TrainConfig
from yuren_train.training.curve import draw_curve
from yuren_train.training.progress import Progress
from yuren_train.training.quantities import brief, clock, gib

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_CURVE = (4, 12)  # lines, at least and at most
_ANSWER = 4
_GAP = 3


def draw_frame(
    progress: Progress, config: TrainConfig, console: Console, spinner: Spinner
) -> RenderableType:
    """Everything that the view shows.

    Args:
        progress: how far the run is.
        config: of the run.
        console: that it is drawn on.
        spinner: turns in the last line.
    """
    width = console.width - 1  # a full last column makes some terminals wrap
    lines: list[RenderableType] = [_title(config)]
    if progress.started is not None:
        lines.append(_bar(progress, width))
        lines += packed(_numbers(progress), width)
    room = console.height - len(lines) - 2
    answer = _answer(progress, width, console)
    if room - len(answer) < _CURVE[0]:
        answer = answer[: max(room, 0)]
    room -= len(answer)
    if progress.losses.points and room >= _CURVE[0]:
        lines += draw_curve(progress.losses, width=width, height=min(room, _CURVE[1]))
    lines += answer
    if progress.doing:
        lines.append(_doing(progress, spinner))
    return Group(*lines)


def visible(text: str) -> str:
    """Text with what a terminal would obey taken out."""
    return _UNSEEN.sub("", text)


def packed(pairs: Sequence[tuple[str, str]], width: int) -> Iterator[Text]:
    """Names and values side by side, as many in a line as there is room for."""
    line, used = Text(), 0
    for name, value in pairs:
        size = cell_len(name) + 1 + cell_len(value)
        if used and used + _GAP + size > width:
            yield line
            line, used = Text(), 0
        if used:
            line.append(" " * _GAP)
            used += _GAP
        line.append(name, "dim").append(" ").append(value, "bold")
        used += size
    if used:
        yield line


def _title(config: TrainConfig) -> Text:
    model = config.model.rstrip("/").rsplit("/", 1)[-1]
    text = f"{config.stage} · {config.method} · {model} → {config.out}"
    return Text(visible(text), "bold", no_wrap=True, overflow="ellipsis")


def _bar(progress: Progress, width: int) -> RenderableType:
    assert progress.started is not None
    total = progress.started.total_steps
    words = [f"{progress.step}/{total}", clock(progress.clock() - progress.began)]
    if (left := progress.left.seconds()) is not None and progress.finished is None:
        words.append(tr("watch.left", time=clock(left)))
    text = "  ".join(words)
    bar = ProgressBar(total=total, completed=progress.step, width=width - cell_len(text) - 2)
    table = Table.grid(padding=(0, 1))
    table.add_row(bar, Text(text))
    return table


def _numbers(progress: Progress) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    interval = progress.interval
    if interval is not None:
        pairs.append((tr("watch.name_loss"), f"{interval.loss:.4f}"))
    if progress.last_eval is not None:
        value = f"{progress.last_eval.loss:.4f}"
        if progress.first_eval is not None and progress.first_eval != progress.last_eval.loss:
            value += f" ({progress.last_eval.loss - progress.first_eval:+.4f})"
        pairs.append((tr("watch.name_eval"), value))
    if interval is None:
        return pairs
    pairs += [
        (tr("watch.name_lr"), f"{interval.lr:.2e}"),
        (tr("watch.name_gradient"), f"{interval.grad_norm:.3g}"),
        (tr("watch.name_epoch"), f"{interval.epoch:.2f}"),
        (tr("watch.name_tokens"), brief(interval.tokens_per_second)),
        (tr("watch.name_samples"), brief(interval.samples_per_second)),
        (tr(_memory_name(progress)), gib(interval.memory_bytes)),
    ]
    if interval.mfu is not None:
        pairs.append(("MFU", f"{interval.mfu:.1%}"))
    if progress.saved is not None:
        pairs.append((tr("watch.name_saved"), str(progress.saved.step)))
    return pairs


def _memory_name(progress: Progress) -> str:
    is_on_gpu = progress.started is not None and progress.started.device != "cpu"
    return "watch.name_gpu_memory" if is_on_gpu else "watch.name_memory"


def _answer(progress: Progress, width: int, console: Console) -> list[Text]:
    if (sampled := progress.sampled) is None:
        return []
    prompt = " ".join(visible(sampled.prompt).split())
    question = Text(f"{sampled.step} > {prompt}", "dim", no_wrap=True, overflow="ellipsis")
    text = " ".join(visible(sampled.answer).split()) or tr("watch.no_answer")
    lines = list(Text(text).wrap(console, width))
    if len(lines) > _ANSWER:
        last = lines[_ANSWER - 1]
        last.truncate(width - 1)
        last.append("…")
    return [question, *lines[:_ANSWER]]


def _doing(progress: Progress, spinner: Spinner) -> RenderableType:
    words = progress.doing
    if progress.done_share is not None:
        words += f" {progress.done_share:.0%}"
    if (passed := progress.clock() - progress.since) >= 1:
        words += f" {clock(passed)}"
    spinner.update(text=Text(words, "dim", no_wrap=True, overflow="ellipsis"))
    return spinner
