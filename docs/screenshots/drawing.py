# SPDX-License-Identifier: Apache-2.0
"""The cells of a terminal as an SVG, and an SVG as a PNG through a headless Chromium.

Nothing is made up here: every character and colour is one that the program wrote. Block elements
are drawn as rectangles, so that pictures made of half blocks have no seams between their lines.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from html import escape
from pathlib import Path

import pyte
from PIL import Image
from pyte.screens import Char

WIDTH, HEIGHT, FONT_SIZE, MARGIN = 12, 26, 20, 18
BACKGROUND, FOREGROUND = "#16171d", "#e0e0e0"
_FONTS = "'Fira Code', 'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', 'Noto Sans CJK SC', monospace"
_BLOCKS = {  # left, top, width, height in eighths of a cell
    "█": (0, 0, 8, 8),
    "▀": (0, 0, 8, 4),
    "▌": (0, 0, 4, 8),
    "▐": (4, 0, 4, 8),
    "▎": (0, 0, 2, 8),
    "▏": (0, 0, 1, 8),
    "▊": (0, 0, 6, 8),
    "▔": (0, 0, 8, 1),
    **{char: (0, 8 - n, 8, n) for n, char in enumerate("▁▂▃▄▅▆▇", 1)},
}


def draw(screen: pyte.Screen) -> str:
    """What stands on a screen, as SVG."""
    width, height = screen.columns * WIDTH + 2 * MARGIN, screen.lines * HEIGHT + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="{_FONTS}" font-size="{FONT_SIZE}" xml:space="preserve">',
        f'<rect width="{width}" height="{height}" rx="10" fill="{BACKGROUND}"/>',
    ]
    for paint in (_background, _foreground):  # a wide character reaches into the next cell
        for row in range(screen.lines):
            for column in range(screen.columns):
                parts += paint(screen.buffer[row][column], column, row)
    return "\n".join([*parts, "</svg>"])


def save_png(svg: str, target: Path) -> None:
    """Write an SVG as a PNG of the same size.

    Raises:
        RuntimeError: no Chromium is here, or it made no picture.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        raise RuntimeError("no chromium here: apt-get install chromium fonts-noto-cjk")
    size = [svg.partition(f'{side}="')[2].partition('"')[0] for side in ("width", "height")]
    with tempfile.TemporaryDirectory() as name:
        page = Path(name) / "page.html"
        style = "margin:0;background:transparent;overflow:hidden"
        page.write_text(f'<meta charset="utf-8"><body style="{style}">{svg}', encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += ["--default-background-color=00000000", f"--user-data-dir={name}/profile"]
        command += [f"--window-size={','.join(size)}", f"--screenshot={target}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        if done.returncode or not target.exists():
            raise RuntimeError(done.stderr.decode(errors="replace")[-500:])
    with Image.open(target) as picture:
        picture.save(target, optimize=True)


def _background(char: Char, column: int, row: int) -> list[str]:
    x, y = _corner(column, row)
    back = _colours(char)[1]
    return [_rectangle(x, y, WIDTH, HEIGHT, back)] if back != BACKGROUND else []


def _foreground(char: Char, column: int, row: int) -> list[str]:
    x, y = _corner(column, row)
    front = _colours(char)[0]
    if block := _BLOCKS.get(char.data):
        left, top, width, height = (
            n * size / 8 for n, size in zip(block, (WIDTH, HEIGHT) * 2, strict=True)
        )
        return [_rectangle(x + left, y + top, width, height, front)]
    if not char.data.strip():
        return []
    style = ' font-weight="bold"' if char.bold else ""
    style += ' font-style="italic"' if char.italics else ""
    style += ' text-decoration="underline"' if char.underscore else ""
    line, text = y + 0.75 * HEIGHT, escape(char.data)
    return [f'<text x="{x}" y="{line:g}" fill="{front}"{style}>{text}</text>']


def _corner(column: int, row: int) -> tuple[int, int]:
    return MARGIN + column * WIDTH, MARGIN + row * HEIGHT


def _colours(char: Char) -> tuple[str, str]:
    front, back = _colour(char.fg, FOREGROUND), _colour(char.bg, BACKGROUND)
    return (back, front) if char.reverse else (front, back)


def _rectangle(x: float, y: float, width: float, height: float, fill: str) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}" '
        'shape-rendering="crispEdges"/>'
    )


def _colour(name: str, default: str) -> str:
    return default if name == "default" else f"#{name}"
