# SPDX-License-Identifier: Apache-2.0
"""Whether an export fits on its disk, asked before anything is written."""

from __future__ import annotations

import shutil
from pathlib import Path

from yuren_core.errors import StorageError
from yuren_core.i18n import tr
from yuren_core.paths import storing

_GIB = 1 << 30
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
