# SPDX-License-Identifier: Apache-2.0
"""Draws the pictures of the presets beside it: flat shapes, 192 pixels, a few kilobytes.

    python assets/presets/draw_avatars.py

Drawn four times as large and made smaller, so that edges are smooth; colours are few, so that
the files are small and the half-blocks of a terminal still show what is meant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 192
SCALE = 4
Box = tuple[float, float, float, float]


class Sheet:
    """A square of 100 by 100 units to draw on."""

    def __init__(self, ground: str) -> None:
        self.image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE), ground)
        self.draw = ImageDraw.Draw(self.image)

    def _points(self, *values: float) -> list[float]:
        return [value * SIZE * SCALE / 100 for value in values]

    def box(self, box: Box, fill: str, radius: float = 0) -> None:
        """A rectangle, with round corners if asked."""
        self.draw.rounded_rectangle(self._points(*box), self._points(radius)[0], fill)

    def oval(self, box: Box, fill: str) -> None:
        """An ellipse."""
        self.draw.ellipse(self._points(*box), fill)

    def shape(self, fill: str, *points: float) -> None:
        """A polygon."""
        self.draw.polygon(self._points(*points), fill)

    def line(self, fill: str, width: float, *points: float) -> None:
        """A line through points."""
        self.draw.line(self._points(*points), fill, int(self._points(width)[0]), joint="curve")

    def save(self, path: Path) -> None:
        """Make it smaller, and write it."""
        small = self.image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
        small.quantize(48, dither=Image.Dither.NONE).save(path, optimize=True)


def assistant() -> Sheet:
    """A speech bubble with a spark in it."""
    sheet = Sheet("#1f3a4d")
    sheet.box((16, 20, 84, 68), "#f2efe6", 12)
    sheet.shape("#f2efe6", 30, 64, 30, 86, 52, 64)
    sheet.shape("#e0903b", 50, 28, 54, 40, 66, 44, 54, 48, 50, 60, 46, 48, 34, 44, 46, 40)
    return sheet


def translator() -> Sheet:
    """Two pages that look at each other."""
    sheet = Sheet("#e9e2d0")
    sheet.shape("#b5482f", 14, 22, 48, 30, 48, 80, 14, 72)
    sheet.shape("#2f6b7a", 86, 22, 52, 30, 52, 80, 86, 72)
    for row in range(4):
        y = 36 + row * 9
        sheet.line("#f5ece0", 2.4, 20, y - 1, 42, y + 4)
        sheet.line("#e6f0f0", 2.4, 80, y - 1, 58, y + 4)
    return sheet


def poet() -> Sheet:
    """A brush, and the moon it has drawn."""
    sheet = Sheet("#f3ead9")
    sheet.oval((18, 14, 62, 58), "#2a2a33")
    sheet.oval((28, 10, 68, 50), "#f3ead9")
    sheet.line("#8a5a33", 6, 88, 18, 56, 66)
    sheet.shape("#2a2a33", 60, 60, 52, 82, 46, 84, 50, 66, 54, 58)
    sheet.line("#2a2a33", 3, 20, 88, 44, 86, 60, 90, 80, 88)
    return sheet


def code_reviewer() -> Sheet:
    """Brackets, and a green tick between them."""
    sheet = Sheet("#20262e")
    sheet.line("#8fb8d8", 6, 34, 24, 14, 50, 34, 76)
    sheet.line("#8fb8d8", 6, 66, 24, 86, 50, 66, 76)
    sheet.line("#7ac074", 7, 36, 52, 47, 64, 66, 36)
    return sheet


def picture_describer() -> Sheet:
    """A framed landscape."""
    sheet = Sheet("#4a3a5c")
    sheet.box((12, 18, 88, 82), "#d9b36c", 3)
    sheet.box((18, 24, 82, 76), "#9cc9dd")
    sheet.oval((58, 30, 72, 44), "#f6e27a")
    sheet.shape("#55795a", 18, 76, 42, 40, 60, 66, 68, 56, 82, 76)
    return sheet


def interviewer() -> Sheet:
    """Two chairs and a table."""
    sheet = Sheet("#d8dcd4")
    sheet.box((12, 30, 20, 80), "#37474f", 2)
    sheet.box((12, 56, 36, 63), "#37474f", 2)
    sheet.box((30, 56, 36, 80), "#37474f", 2)
    sheet.box((80, 30, 88, 80), "#a8452c", 2)
    sheet.box((64, 56, 88, 63), "#a8452c", 2)
    sheet.box((64, 56, 70, 80), "#a8452c", 2)
    sheet.box((40, 46, 60, 50), "#7a6a55", 1)
    sheet.box((48, 50, 52, 80), "#7a6a55")
    return sheet


def language_partner() -> Sheet:
    """Two bubbles that overlap."""
    sheet = Sheet("#f0e6d6")
    sheet.box((10, 18, 64, 56), "#c2553a", 10)
    sheet.shape("#c2553a", 20, 52, 20, 68, 36, 54)
    sheet.box((36, 42, 90, 78), "#3b6f8f", 10)
    sheet.shape("#3b6f8f", 80, 74, 80, 90, 64, 76)
    for x in (50, 63, 76):
        sheet.oval((x - 3, 57, x + 3, 63), "#f0e6d6")
    return sheet


def lighthouse_keeper() -> Sheet:
    """A lamp over the sea at night."""
    sheet = Sheet("#16263d")
    sheet.shape("#3b5373", 50, 30, 0, 12, 0, 44)
    sheet.shape("#3b5373", 50, 30, 100, 12, 100, 44)
    sheet.shape("#e8e4da", 42, 38, 58, 38, 63, 82, 37, 82)
    sheet.shape("#b5403a", 41, 48, 59, 48, 60.5, 60, 39.5, 60)
    sheet.box((42, 24, 58, 38), "#f7d774", 2)
    sheet.shape("#b5403a", 40, 24, 60, 24, 50, 14)
    sheet.shape("#0d1828", 0, 100, 0, 84, 30, 80, 70, 80, 100, 86, 100, 100)
    return sheet


def fox_teahouse() -> Sheet:
    """A fox's face over a cup."""
    sheet = Sheet("#2c3b33")
    sheet.shape("#c8642b", 20, 14, 44, 36, 24, 46)
    sheet.shape("#c8642b", 80, 14, 56, 36, 76, 46)
    sheet.shape("#d9752f", 22, 36, 78, 36, 82, 50, 50, 76, 18, 50)
    sheet.shape("#f3e6d3", 18, 50, 42, 52, 50, 76)
    sheet.shape("#f3e6d3", 82, 50, 58, 52, 50, 76)
    sheet.oval((34, 44, 41, 51), "#1d1d1d")
    sheet.oval((59, 44, 66, 51), "#1d1d1d")
    sheet.oval((46, 70, 54, 77), "#1d1d1d")
    sheet.shape("#e8e4da", 36, 80, 64, 80, 60, 94, 40, 94)
    return sheet


def ship_mind() -> Sheet:
    """A ring in the dark, and a star ahead."""
    sheet = Sheet("#0e1020")
    for x, y in ((12, 20), (30, 78), (86, 66), (70, 14), (20, 50), (60, 90)):
        sheet.oval((x, y, x + 1.6, y + 1.6), "#c9d4f0")
    sheet.oval((22, 26, 74, 78), "#7f8fb5")
    sheet.oval((29, 33, 67, 71), "#0e1020")
    sheet.oval((42, 46, 54, 58), "#79d2c0")
    sheet.line("#7f8fb5", 3, 48, 30, 48, 44)
    sheet.line("#7f8fb5", 3, 48, 60, 48, 74)
    sheet.shape("#f6e7a0", 86, 20, 88, 28, 96, 30, 88, 32, 86, 40, 84, 32, 76, 30, 84, 28)
    return sheet


def harbour_detective() -> Sheet:
    """A hat and a collar under a street lamp."""
    sheet = Sheet("#3b4148")
    sheet.oval((62, 4, 96, 38), "#c9b46a")
    sheet.oval((70, 12, 88, 30), "#f3e29a")
    sheet.oval((18, 40, 82, 54), "#1c1f24")
    sheet.box((32, 22, 68, 47), "#1c1f24", 8)
    sheet.box((32, 40, 68, 45), "#8f3a35")
    sheet.oval((36, 44, 64, 72), "#d6b89a")
    sheet.oval((18, 41, 82, 52), "#1c1f24")
    sheet.shape("#5f5443", 14, 100, 30, 66, 50, 84, 70, 66, 86, 100)
    return sheet


def clockwork_tock() -> Sheet:
    """A brass face with a key."""
    sheet = Sheet("#5a2f38")
    for step in range(12):
        angle = step * math.pi / 6
        x, y = 46 + 34 * math.cos(angle), 52 + 34 * math.sin(angle)
        sheet.oval((x - 6, y - 6, x + 6, y + 6), "#9c7a35")
    sheet.oval((14, 20, 78, 84), "#c9a04a")
    sheet.oval((28, 40, 42, 54), "#f7f1dc")
    sheet.oval((52, 42, 62, 52), "#f7f1dc")
    sheet.oval((33, 45, 38, 50), "#2b1a12")
    sheet.oval((55, 45, 59, 49), "#2b1a12")
    sheet.line("#6d4f1d", 3, 34, 66, 46, 70, 60, 66)
    sheet.box((78, 49, 92, 55), "#9c7a35")
    sheet.oval((86, 40, 98, 64), "#9c7a35")
    sheet.oval((90, 46, 95, 58), "#5a2f38")
    return sheet


def storyteller() -> Sheet:
    """An open book with a path that leads out of it."""
    sheet = Sheet("#27402f")
    sheet.oval((62, 10, 80, 28), "#f0dfa0")
    sheet.shape("#3f6a4c", 20, 56, 40, 22, 58, 48, 70, 34, 86, 56)
    sheet.shape("#f1e8d2", 10, 58, 50, 66, 50, 92, 10, 84)
    sheet.shape("#e2d6b8", 90, 58, 50, 66, 50, 92, 90, 84)
    sheet.line("#b86a3a", 3.5, 50, 90, 46, 76, 56, 68, 48, 58, 53, 48)
    return sheet


PICTURES: tuple[Callable[[], Sheet], ...] = (
    *(assistant, translator, poet, code_reviewer, picture_describer, interviewer),
    *(language_partner, lighthouse_keeper, fox_teahouse, ship_mind, harbour_detective),
    *(clockwork_tock, storyteller),
)


def main() -> None:
    """Draw all of them."""
    for picture in PICTURES:
        name = picture.__name__.replace("_", "-")
        picture().save(Path(__file__).with_name(f"{name}.png"))


if __name__ == "__main__":
    main()
