# SPDX-License-Identifier: Apache-2.0
"""One line: which model, how full its context is, how fast the last answer came.

What matters less is left out first where the line is too short.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from yuren_core.i18n import tr
from yuren_tui.sanitize import sanitize_line

Phase = Literal["absent", "loading", "ready", "failed", "dead"]

_DOTS = {"absent": "○", "loading": "◐", "ready": "●", "failed": "✕", "dead": "✕"}
_COLOURS = {
    "absent": "$foreground 60%",
    "loading": "$warning",
    "ready": "$success",
    "failed": "$error",
    "dead": "$error",
}
_NEARLY_FULL = 0.75
_FULL = 0.92
_BAR = 8


@dataclass(frozen=True, slots=True)
class Status:
    """What the bar shows.

    Attributes:
        phase: where the model stands.
        model, dtype, device: of the loaded model.
        stage, fraction, seconds: of a load that goes on.
        used, context_length: tokens; 0 where nothing is known.
        leaving: how many messages the next one would push out of the context.
        fits: whether what is typed could be sent at all.
        tokens_per_s, ttft_s: of the last answer; 0 where there is none.
        remark: "stopped", for one.
    """

    phase: Phase = "absent"
    model: str = ""
    dtype: str = ""
    device: str = ""
    stage: str = ""
    fraction: float | None = None
    seconds: float = 0.0
    used: int = 0
    context_length: int = 0
    leaving: int = 0
    fits: bool = True
    tokens_per_s: float = 0.0
    ttft_s: float = 0.0
    remark: str = ""


class StatusBar(Widget):
    """Draws a `Status`."""

    status: reactive[Status] = reactive(Status())

    def render(self) -> Content:
        width = self.content_size.width
        for detail in range(4):
            left, right = self._left(detail), self._right(detail)
            gap = width - left.cell_length - right.cell_length
            if gap >= 2:
                break
        return Content.assemble(left, " " * max(1, gap), right)

    def _left(self, detail: int) -> Content:
        status = self.status
        name = sanitize_line(status.model, limit=(40, 40, 28, 20)[detail])
        parts: list[Content | str | tuple[str, str]] = [
            (f"{_DOTS[status.phase]} ", _COLOURS[status.phase])
        ]
        match status.phase:
            case "ready":
                parts.append((name, "$foreground"))
                if detail < 3:
                    parts.append((f"  {status.dtype} {status.device}", "$foreground 60%"))
            case "loading":
                parts.append((f"{name}  " if name and detail < 2 else "", "$foreground"))
                parts += self._loading(detail)
            case "absent" | "failed" | "dead" as phase:
                parts.append((tr(f"status.{phase}"), _COLOURS[phase]))
        return Content.assemble(*parts)

    def _loading(self, detail: int) -> list[Content | str | tuple[str, str]]:
        status = self.status
        stage = tr(f"status.stage_{status.stage}") if status.stage else tr("status.starting")
        parts: list[Content | str | tuple[str, str]] = [(stage, "$warning")]
        if status.fraction is not None:
            parts.append("  ")
            if detail < 3:
                parts += _bar(status.fraction, "$warning")
            parts.append((f" {status.fraction:.0%}", "$warning"))
        return [*parts, (f"  {status.seconds:.0f} s", "$foreground 60%")]

    def _right(self, detail: int) -> Content:
        status = self.status
        parts: list[list[Content | str | tuple[str, str]]] = []
        if status.remark:
            parts.append([(status.remark, "$warning")])
        if status.tokens_per_s and detail < 3:
            parts.append([(f"{status.tokens_per_s:.1f} tok/s", "$foreground 60%")])
            if detail < 2:
                parts.append(
                    [(tr("status.ttft", seconds=f"{status.ttft_s:.2f}"), "$foreground 60%")]
                )
        if not status.fits:
            parts.append([(tr("status.too_long"), "$error")])
        elif status.leaving:
            parts.append([(tr("status.leaving", count=status.leaving), "$warning")])
        if status.context_length:
            parts.append(self._context_parts(detail))
        joined: list[Content | str | tuple[str, str]] = []
        for part in parts:
            joined += [("  ·  " if detail == 0 else "  ", "$foreground 30%"), *part]
        return Content.assemble(*joined[1:])

    def _context_parts(self, detail: int) -> list[Content | str | tuple[str, str]]:
        used, length = self.status.used, self.status.context_length
        share = used / length
        colour = "$error" if share >= _FULL else "$warning" if share >= _NEARLY_FULL else "$primary"
        words = f"{_short(used)}/{_short(length)}"
        parts: list[Content | str | tuple[str, str]] = [(words, "$foreground 60%")]
        if detail < 3:
            parts = [*_bar(share, colour), " ", *parts]
        if detail == 0:
            parts = [(f"{tr('status.context')} ", "$foreground 60%"), *parts]
        return parts


def _bar(fraction: float, colour: str) -> list[Content | str | tuple[str, str]]:
    filled = round(min(1.0, max(0.0, fraction)) * _BAR)
    if fraction > 0 and not filled:
        filled = 1
    # The rest is thinner, so that the bar is read without colours too.
    return [("━" * filled, colour), ("─" * (_BAR - filled), "$foreground 20%")]


def _short(tokens: int) -> str:
    return f"{tokens / 1000:.1f}k" if tokens >= 10_000 else str(tokens)
