# SPDX-License-Identifier: Apache-2.0
"""The values that a directory was begun with: to go on in it with others is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.paths import atomic_write, storing


def keep_to(file: Path, values: Mapping[str, object]) -> None:
    """Write the values that work in a directory begins with, or compare with those it began with.

    Args:
        file: where they lie, in that directory.
        values: of this call.

    Raises:
        UsageError: it was begun with others.
        StorageError: the file cannot be read or written.
    """
    told = json.dumps(values, indent=2)
    if not file.is_file():
        atomic_write(file, told + "\n")
        return
    with storing(file):
        found = file.read_text(encoding="utf-8", errors="replace").strip()
    if found != told:
        raise UsageError(
            tr("error.sample_data.other", path=file.parent, values=" ".join(found.split())),
            tr("error.sample_data.other_hint"),
        )
