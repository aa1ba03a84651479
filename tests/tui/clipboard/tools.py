# SPDX-License-Identifier: Apache-2.0
"""Clipboard tools out of shell scripts, on a PATH of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

_NEEDED = ("sh", "cat", "echo", "sleep", "touch", "base64", "test")


class Tools:
    """Fake tools.

    Args:
        directory: an empty one.

    `store` is where they may leave files, $STORE to them.
    """

    def __init__(self, directory: Path) -> None:
        self._bin = directory / "bin"
        self.store = directory / "store"
        self._bin.mkdir()
        self.store.mkdir()
        for name in _NEEDED:
            if path := shutil.which(name):
                (self._bin / name).symlink_to(path)
        self.environment = {"PATH": str(self._bin), "STORE": str(self.store)}

    def add(self, name: str, script: str) -> None:
        """Make a tool of a shell script."""
        file = self._bin / name
        file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        file.chmod(0o755)
