# SPDX-License-Identifier: Apache-2.0
"""The installation of the starter model, shown on a console: a bar for each stage.

Without a terminal there are no bars but a line as each stage begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from yuren_core.i18n import tr

if TYPE_CHECKING:
    from yuren_core.starter import Stage, StarterProgress


@contextmanager
def shown(console: Console) -> Iterator[Callable[[StarterProgress], None]]:
    """Yields what `install_starter` reports to."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[size]}"))
    bars = Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal)
    tasks: dict[Stage, TaskID] = {}
    notes: set[str] = set()

    def finish() -> None:
        for task in tasks.values():
            bars.update(task, total=1.0, completed=1.0)
            bars.stop_task(task)

    def show(step: StarterProgress) -> None:
        if step.note and step.note not in notes:
            notes.add(step.note)
            console.print(step.note, style="yellow", markup=False, soft_wrap=True)
        if step.stage not in tasks:
            finish()
            words = tr(f"install.stage_{step.stage}")
            if not console.is_terminal:
                console.print(f"{words} ...", markup=False)
            tasks[step.stage] = bars.add_task(words, total=None, size="")
        bars.update(
            tasks[step.stage],
            total=None if step.fraction is None else 1.0,
            completed=step.fraction or 0.0,
            size=_size(step),
        )

    with bars:
        yield show
        finish()


def _size(step: StarterProgress) -> str:
    if step.done_bytes is None or not step.total_bytes:
        return ""
    return f"{step.done_bytes / 1e6:.0f}/{step.total_bytes / 1e6:.0f} MB"
