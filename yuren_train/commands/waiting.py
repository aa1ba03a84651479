# SPDX-License-Identifier: Apache-2.0
"""A sign of life while something heavy is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from yuren_train.training.launching import is_first


@contextmanager
def waiting(words: str) -> Iterator[None]:
    """Say on stderr what is waited for: with a spinner in a terminal, as a line elsewhere.

    Args:
        words: what is going on.
    """
    console = Console(stderr=True)
    if not is_first():
        yield
    elif sys.stderr.isatty() and not console.is_dumb_terminal:
        with console.status(words, refresh_per_second=6):
            yield
    else:
        console.print(words, markup=False, highlight=False)
        yield
