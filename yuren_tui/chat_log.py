# SPDX-License-Identifier: Apache-2.0
"""The chat's own log: unexpected exceptions, with their tracebacks. Written to only then."""

from __future__ import annotations

from pathlib import Path

from yuren_core import fault_log


def log_fault(error: BaseException) -> Path:
    """Write an exception down.

    Args:
        error: what nobody caught.

    Returns:
        The log's path, also where it could not be written.
    """
    return fault_log.log_fault("chat.log", error)
