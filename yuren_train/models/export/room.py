# SPDX-License-Identifier: Apache-2.0
"""What room an export has: on its disk, asked before anything is written, and in memory."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from yuren_core.errors import StorageError
from yuren_core.i18n import tr
from yuren_core.paths import storing

_GIB = 1 << 30
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_BESIDE = 32 << 20  # bytes; tokenizer, configs and what the file system rounds up


def require_room(out: Path, weights: int) -> None:
    """Refuse what cannot be written.

    Args:
        out: the directory to be made.
        weights: bytes.

    Raises:
        StorageError: there is less room than that.
    """
    place = out.absolute().parent
    with storing(out):
        place.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(place).free
    if free < (needed := weights + _BESIDE):
        raise StorageError(
            tr(
                "error.export.space",
                path=place,
                free=f"{free / _GIB:.1f}",
                needed=f"{needed / _GIB:.1f}",
            ),
            tr("error.export.space_hint"),
        )


def available_memory() -> int:
    """Bytes that can be had now without swapping, within the limit of a container.

    Where the system does not say what is available, as macOS, it is what is installed.
    """
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, KeyError, ValueError):
        available = 1024 * int(_fields(_MEMINFO)["MemAvailable:"])
    with suppress(OSError, KeyError, ValueError):  # "max" where there is no limit
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        cached = int(_fields(_CGROUP / "memory.stat")["inactive_file"])
        available = min(available, max(0, limit - used + cached))
    return available


def _fields(file: Path) -> dict[str, str]:
    """The first two words of each line."""
    lines = (line.split() for line in file.read_text().splitlines())
    return {words[0]: words[1] for words in lines if len(words) > 1}
