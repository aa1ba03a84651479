# SPDX-License-Identifier: Apache-2.0
"""The chat's own log: unexpected exceptions, with their tracebacks. Written to only then."""

from __future__ import annotations

import traceback
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from yuren_core.paths import log_dir

_LIMIT = 1024 * 1024  # bytes; a longer log is begun anew


def log_fault(error: BaseException) -> Path:
    """Write an exception down.

    Args:
        error: what nobody caught.

    Returns:
        The log's path, also where it could not be written.
    """
    path = log_dir() / "chat.log"
    when = datetime.now().astimezone().isoformat(timespec="seconds")
    lines = "".join(traceback.format_exception(error))
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = "w" if path.exists() and path.stat().st_size > _LIMIT else "a"
        with path.open(mode, encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{when}\n{lines}\n")
    return path
