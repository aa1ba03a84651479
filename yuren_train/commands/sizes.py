# SPDX-License-Identifier: Apache-2.0
"""Bytes and seconds, as people read them."""

from __future__ import annotations


def gib(size: float) -> str:
    """Bytes: 512 MiB, 3.2 GiB."""
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.0f} MiB"


def duration(seconds: float) -> str:
    """Seconds: 4 s, 3 min, 5 h 20 min, 3 d 4 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
