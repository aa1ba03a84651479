# SPDX-License-Identifier: Apache-2.0
"""The very first frame: the prompt's box, drawn with a few bytes before textual is imported.

The chat then draws itself over it. What is typed meanwhile waits in the terminal's queue, unseen,
and is read by the chat: echo and line editing are switched off here, and put back as they were
when the chat has ended. A terminal that cannot do it is left alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from yuren_tui.terminal.attributes import terminal_attributes

_ALTERNATE, _MAIN = "\x1b[?1049h", "\x1b[?1049l"
_ROWS_BELOW_BOX = 2  # status line and footer
_LEAST = (20, 8)  # columns and rows; smaller terminals get no first frame


@contextmanager
def opening_frame(words: str, *, output: TextIO | None = None) -> Iterator[None]:
    """Show an empty prompt until the chat draws; inside, the chat runs and ends.

    Args:
        words: what stands in the empty prompt; one line without control characters.
        output: the terminal; stdout by default.
    """
    stream = output or sys.stdout
    before = terminal_attributes()
    columns, rows = _size(stream)
    if before is None or columns < _LEAST[0] or rows < _LEAST[1]:
        yield
        return
    import termios

    quiet = [*before[:3], before[3] & ~(termios.ECHO | termios.ICANON), *before[4:]]
    try:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, quiet)
        stream.write(_ALTERNATE + frame(words, columns, rows))
        stream.flush()
        yield
    except BaseException:
        stream.write(_MAIN)  # where the chat had begun, it has done so itself: harmless
        stream.flush()
        raise
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, before)


def frame(words: str, columns: int, rows: int) -> str:
    """The bytes that draw the prompt's box where the chat will draw it.

    Args:
        words: what stands in it.
        columns: the terminal's width, in cells.
        rows: its height.
    """
    top = rows - _ROWS_BELOW_BOX - 2
    inner = columns - 2
    lines = (f"╭{'─' * inner}╮", f"│{' ' * inner}│", f"╰{'─' * inner}╯")
    drawn = "".join(f"\x1b[{top + place};1H{line}" for place, line in enumerate(lines))
    cursor = f"\x1b[{top + 1};3H"
    return f"\x1b[2J\x1b[2m{drawn}{cursor}{words}\x1b[0m{cursor}"


def _size(stream: TextIO) -> tuple[int, int]:
    try:
        return os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 0, 0
