# SPDX-License-Identifier: Apache-2.0
"""How the terminal at stdin is set. Imports nothing heavy: the first frame asks it."""

from __future__ import annotations

import sys
from typing import Any


def terminal_attributes() -> list[Any] | None:
    """As `termios.tcgetattr` gives them; None where there is no terminal that could be set."""
    try:
        import termios
    except ImportError:  # Windows
        return None
    try:
        return termios.tcgetattr(sys.stdin.fileno())
    except (termios.error, OSError, ValueError):
        return None
