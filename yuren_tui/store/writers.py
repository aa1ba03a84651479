# SPDX-License-Identifier: Apache-2.0
"""Which processes are still writing: one locked file each.

A store that begins to write an answer locks a file of its own, named by a random token, and puts
the token on the message. The system drops the lock when the process ends, however it ends; so a
message whose token's file can be locked, or is gone, has no living writer. Unlike process ids
this needs no clock, survives reuse of ids, and works across containers that share a directory.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from contextlib import suppress
from pathlib import Path

from yuren_core.paths import storing

_SWEEP_AGE_S = 60.0
"""A file that is made is locked within this time."""


class Writers:
    """The lock files of one store's directory.

    Args:
        directory: made when first needed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: int | None = None
        self._token = ""

    def token(self) -> str:
        """This store's token, its file locked from now until `close`.

        Raises:
            StorageError: the file cannot be made.
        """
        if self._handle is None:
            with storing(self._directory):
                self._directory.mkdir(parents=True, exist_ok=True)
                self._token = secrets.token_hex(8)
                path = self._directory / self._token
                handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
                # Locked before anybody can know the token: it is on no message yet.
                _lock(handle)
                self._handle = handle
        return self._token

    def is_alive(self, token: str) -> bool:
        """Whether the store with this token still writes; the file of a dead one is removed."""
        if token == self._token and self._handle is not None:
            return True
        path = self._directory / token
        if not token.isalnum():
            return False
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        except OSError:  # not ours to read: leave what it writes alone
            return True
        try:
            if not _lock(handle):
                return True
        finally:
            os.close(handle)
        with suppress(OSError):
            path.unlink()
        return False

    def sweep(self) -> None:
        """Remove the files of stores that died without a message open."""
        horizon = time.time() - _SWEEP_AGE_S
        with suppress(OSError):
            for path in self._directory.iterdir():
                if path.stat().st_mtime < horizon:
                    self.is_alive(path.name)

    def close(self) -> None:
        """Say that this store writes no more."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
            with suppress(OSError):
                (self._directory / self._token).unlink()


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
