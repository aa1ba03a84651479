# SPDX-License-Identifier: Apache-2.0
"""`train.log`: what a person need not see, and whoever looks for a fault wants to.

Exceptions that nobody foresaw, with their traces, and warnings that libraries give to those who
write programs with them. Written to only then; imports nothing heavy.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TextIO

from yuren_core import fault_log

_NAME = "train.log"
_LIBRARIES = {"accelerate", "bitsandbytes", "deepspeed", "peft", "torch", "transformers"}


def log_fault(error: BaseException) -> Path:
    """Write an exception down.

    Args:
        error: what nobody caught.

    Returns:
        The log's path, also where it could not be written.
    """
    return fault_log.log_fault(_NAME, error)


@contextmanager
def library_warnings_logged() -> Iterator[None]:
    """Within it, warnings that point into libraries go to the log; all others are shown."""
    show = warnings.showwarning

    def sort(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is None and _is_library(Path(filename)):
            fault_log.log_text(
                _NAME, warnings.formatwarning(message, category, filename, lineno, line)
            )
        else:
            show(message, category, filename, lineno, file, line)

    warnings.showwarning = sort
    try:
        yield
    finally:
        warnings.showwarning = show


def _is_library(file: Path) -> bool:
    parts = file.parts
    return any(
        package in _LIBRARIES
        for place, package in pairwise(parts)
        if place in ("site-packages", "dist-packages")
    )
