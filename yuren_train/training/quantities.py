# SPDX-License-Identifier: Apache-2.0
"""Bytes, seconds and rates, as people read them: the same in every language."""

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


def clock(seconds: float) -> str:
    """Seconds as a clock counts them: 0:04, 12:30, 5:20:07, 51:00:00."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def brief(count: float) -> str:
    """A count in few characters: 7.3, 950, 12.4k, 3.1M, 6.7B."""
    for limit, divisor, unit in ((1e3, 1, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M")):
        if count < limit:
            digits = 0 if count / divisor >= 100 or (float(count).is_integer() and not unit) else 1
            return f"{count / divisor:.{digits}f}{unit}"
    return f"{count / 1e9:.1f}B"
