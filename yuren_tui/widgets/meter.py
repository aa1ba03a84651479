# SPDX-License-Identifier: Apache-2.0
"""Shares of a whole as bars: one bar of all parts, and a row for each with its number.

Each share has a sign of its own beside its colour, so that the bars are read without colours too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.widget import Widget

_NUMBER = 7  # cells of a number
_PERCENT = 6
FREE = "░"
"""The sign of what nothing takes."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the whole: what it is called, how much it is, its colour (a theme variable) and the
    character that its part of the bar of all is drawn with."""

    label: str
    amount: int
    colour: str
    sign: str = "█"


class SharesBar(Widget):
    """All shares in one bar, as wide as there is room.

    A share that is less than a cell has none, but the bar shows that it is not empty.

    Args:
        shares: in order.
        total: the whole; what no share takes is drawn as free.
    """

    DEFAULT_CSS = "SharesBar { height: 1; }"

    def __init__(self, shares: Sequence[Share], total: int) -> None:
        super().__init__()
        self._shares = tuple(share for share in shares if share.amount > 0)
        self._total = max(1, total)

    def render(self) -> Content:
        width = self.content_size.width
        parts, done, before = [], 0, 0
        for share in self._shares:
            before += share.amount
            end = min(width, max(done, 1, round(before / self._total * width)))
            parts.append((share.sign * (end - done), share.colour))
            done = end
        return Content.assemble(*parts, (FREE * (width - done), "$foreground 20%"))


class ShareRow(Widget):
    """One share: its sign, its name, its bar, its number, its part of the whole.

    Args:
        share: which.
        total: the whole.
        label_width: cells that the name may take, so that rows line up.
    """

    DEFAULT_CSS = "ShareRow { height: 1; }"

    def __init__(self, share: Share, total: int, label_width: int) -> None:
        super().__init__()
        self._share = share
        self._total = max(1, total)
        self._label_width = label_width

    def render(self) -> Content:
        share, label = self._share, Content(self._share.label)
        room = self.content_size.width - self._label_width - 4 - _NUMBER - _PERCENT
        part = share.amount / self._total
        filled = min(room, max(int(share.amount > 0), round(part * room)))
        return Content.assemble(
            (f"{share.sign} ", share.colour),
            label,
            " " * (self._label_width - label.cell_length + 2),
            ("━" * filled, share.colour),
            ("─" * max(0, room - filled), "$foreground 20%"),
            (f"{share.amount:>{_NUMBER}}", "$foreground"),
            (f"{percent(part):>{_PERCENT}}", "$foreground 55%"),
        )


def percent(part: float) -> str:
    """A part of the whole in whole percents; what is less than one of them is not nothing."""
    return "<1%" if 0 < part < 0.01 else f"{part:.0%}"
