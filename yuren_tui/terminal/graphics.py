# SPDX-License-Identifier: Apache-2.0
"""Which way of drawing pictures a terminal knows: half blocks always, sixels or kitty's sometimes.

What the environment says is believed; where it says nothing, the terminal is asked, and only when
a large picture is wanted. Knows no textual.
"""

from __future__ import annotations

import os
import re
import struct
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

from yuren_tui.settings.values import Images
from yuren_tui.terminal.questions import Questions

Protocol: TypeAlias = Literal["off", "halfblock", "sixel", "kitty"]
CellSize: TypeAlias = tuple[int, int]

USUAL_CELL: CellSize = (10, 20)
"""Pixels across and down, of a VT340: what is taken where a terminal does not tell."""

_SIXEL_PROGRAMS = ("WezTerm", "iTerm.app", "mintty", "contour", "rio")
_SIXEL_TERMS = ("foot", "mlterm", "contour", "yaft")
_ASK_CELL_SIZE = "\x1b[16t"
_CELL_REPLY = re.compile(r"\x1b\[6;(\d+);(\d+)t")
_ATTRIBUTES = re.compile(r"\x1b\[\?([\d;]+)c")
_SIXEL = "4"  # among the device attributes


@dataclass(frozen=True, slots=True)
class Graphics:
    """How pictures are drawn here. `cell`: pixels of a character cell, across and down."""

    protocol: Protocol
    cell: CellSize = USUAL_CELL


def known_protocol(environment: Mapping[str, str]) -> Protocol | None:
    """What the environment tells; None where the terminal must be asked.

    WezTerm and Konsole answer to kitty's protocol but lack the placeholders that a screen of
    windows needs; they do sixels well. Inside tmux, only tmux knows what it passes on.
    """
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if environment.get("TMUX") or environment.get("STY") or program == "tmux":
        return None
    if environment.get("KITTY_WINDOW_ID") or term in ("xterm-kitty", "xterm-ghostty"):
        return "kitty"
    if program == "ghostty":
        return "kitty"
    if program in _SIXEL_PROGRAMS or environment.get("LC_TERMINAL") == "iTerm2":
        return "sixel"
    if term.startswith(_SIXEL_TERMS) or environment.get("KONSOLE_VERSION", "").startswith("2"):
        return "sixel"
    if program == "Apple_Terminal" or term in ("linux", "dumb", ""):
        return "halfblock"
    return None


async def find_graphics(
    images: Images,
    *,
    environment: Mapping[str, str],
    questions: Questions | None,
    write: Callable[[str], None],
) -> Graphics:
    """Decide how to draw large pictures.

    Args:
        images: what the person has set; "auto" finds out.
        environment: the variables.
        questions: from `commits.install`; None where the terminal cannot be asked.
        write: writes to the terminal, in order with what Textual draws.

    Returns:
        The way, and the size of a cell where it matters.
    """
    protocol: Protocol | None = known_protocol(environment) if images == "auto" else images
    cell = _cell_of_system()
    is_exact = protocol in ("off", "halfblock") or (protocol is not None and cell is not None)
    if is_exact or questions is None:
        return Graphics(protocol or "halfblock", cell or USUAL_CELL)
    replies = "".join(await questions.ask(write, _ASK_CELL_SIZE))
    if cell is None and (size := _CELL_REPLY.search(replies)) and int(size[1]) and int(size[2]):
        cell = int(size[2]), int(size[1])
    if protocol is None:
        attributes = _ATTRIBUTES.search(replies)
        has_sixel = attributes is not None and _SIXEL in attributes[1].split(";")[1:]
        protocol = "sixel" if has_sixel else "halfblock"
    return Graphics(protocol, cell or USUAL_CELL)


def _cell_of_system() -> CellSize | None:
    """The size of a cell as the kernel knows it, where it does."""
    with suppress(ImportError, OSError, ValueError, AttributeError):
        import fcntl
        import termios

        for stream in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
            if stream is None or not os.isatty(stream.fileno()):
                continue
            asked = fcntl.ioctl(stream.fileno(), termios.TIOCGWINSZ, b"\0" * 8)
            rows, columns, width, height = struct.unpack("HHHH", asked)
            if rows and columns and width >= columns and height >= rows:
                return width // columns, height // rows
    return None
