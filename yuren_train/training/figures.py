# SPDX-License-Identifier: Apache-2.0
"""Curves of runs as a PNG: losses above, learning rates below, several runs in one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.paths import atomic_write
from yuren_train.training.curve import smoothed
from yuren_train.training.history import History

_SIZE = (9.0, 6.0)  # inches
_DPI = 120


def draw_runs(histories: Sequence[History], out: Path) -> None:
    """Draw runs into a PNG.

    Args:
        histories: with steps; one has no legend of names.
        out: the file.

    Raises:
        UsageError: matplotlib is not installed.
        StorageError: the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(tr("error.run.matplotlib"), tr("error.run.matplotlib_hint")) from error
    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for number, (history, name) in enumerate(zip(histories, names(histories), strict=True)):
        _draw_run(above, below, history, f"C{number}", name if len(histories) > 1 else "")
    above.set_ylabel("loss (nats per token)")
    below.set_ylabel("learning rate")
    below.set_xlabel("step")
    for axes in (above, below):
        axes.grid(visible=True, alpha=0.3)
        axes.margins(x=0.01)
    below.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    if above.get_legend_handles_labels()[0]:
        above.legend()
    image = io.BytesIO()
    figure.savefig(image, format="png")
    atomic_write(out, image.getvalue())


def names(histories: Sequence[History]) -> list[str]:
    """What tells runs apart: as much of the ends of their paths as it takes."""
    parts = [history.path.resolve().parts for history in histories]
    for count in range(1, max(map(len, parts), default=0) + 1):
        short = ["/".join(part[-count:]) for part in parts]
        if len(set(short)) == len(set(parts)):
            return short
    return ["/".join(part) for part in parts]


def _draw_run(above: Any, below: Any, history: History, color: str, name: str) -> None:
    """Losses faintly with their trend, evaluations as points, the learning rate below."""
    lead = f"{name}: " if name else ""
    steps, losses = history.losses()
    if losses:
        points = [(float(step), loss) for step, loss in zip(steps, losses, strict=True)]
        above.plot(steps, losses, color=color, alpha=0.25, linewidth=0.8)
        above.plot(steps, smoothed(points), color=color, linewidth=1.8, label=f"{lead}train")
    measured, eval_losses = history.eval_losses()
    if eval_losses:
        edge = {"markeredgecolor": "black", "markeredgewidth": 0.6}
        above.plot(
            measured, eval_losses, "o--", color=color, linewidth=0.8, label=f"{lead}eval", **edge
        )
    below.plot(*history.learning_rates(), color=color, linewidth=1.4)
