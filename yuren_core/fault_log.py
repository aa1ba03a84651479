# SPDX-License-Identifier: Apache-2.0
"""The commands' own logs: faults that nobody foresaw, for whoever looks for them."""

from __future__ import annotations

import traceback
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from yuren_core.paths import log_dir

_LIMIT = 1024 * 1024  # bytes; a longer log is begun anew


def log_fault(name: str, error: BaseException) -> Path:
    """Write an exception down, with its traceback.

    Args:
        name: the log's, in the directory of logs.
        error: what nobody caught.

    Returns:
        The log's path, also where it could not be written.
    """
    return log_text(name, "".join(traceback.format_exception(error)))


def log_text(name: str, text: str) -> Path:
    """Write a text down, under the time.

    Args:
        name: the log's, in the directory of logs.
        text: of any number of lines.

    Returns:
        The log's path, also where it could not be written.
    """
    path = log_dir() / name
    when = datetime.now().astimezone().isoformat(timespec="seconds")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = "w" if path.exists() and path.stat().st_size > _LIMIT else "a"
        with path.open(mode, encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{when}\n{text}\n")
    return path
