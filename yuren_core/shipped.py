# SPDX-License-Identifier: Apache-2.0
"""Where what ships with yuren lies: presets, catalogues, sample data, configs.

Stands below `yuren_core.i18n`, which reads its catalogues from there; so the one error here
cannot be said in any language but English.
"""

from __future__ import annotations

from pathlib import Path

from yuren_core.errors import StorageError


def assets_dir() -> Path:
    """The directory `assets`: a checkout's or a wheel's.

    Raises:
        StorageError: neither is there; the installation is broken.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "assets", package.parent / "assets"):
        if candidate.is_dir():
            return candidate
    raise StorageError(
        f"the assets directory is missing beside {package}", "Install yuren again with pip."
    )
