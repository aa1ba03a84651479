# SPDX-License-Identifier: Apache-2.0
"""Tables on stdout: as wide as the terminal, and where there is none, as wide as they are."""

from __future__ import annotations

import os
import sys

from rich.console import Console


def page(width: int) -> Console:
    """A console on stdout.

    Args:
        width: columns in a pipe or file; rich would take 80 and cut.
    """
    is_told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if is_told else width)
