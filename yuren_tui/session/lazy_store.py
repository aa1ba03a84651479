# SPDX-License-Identifier: Apache-2.0
"""The store that a session has, opened when it is first needed: after the screen's first frame."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yuren_tui.store import Store


class LazyStore:
    """One store, or none yet.

    Args:
        store: one that is open, or what opens it; None for one in a temporary directory, which
            goes with `close`.
    """

    def __init__(self, store: Store | Callable[[], Store] | None) -> None:
        self._open: Callable[[], Store] | None = store if callable(store) else None
        self._opened: Store | None = None if callable(store) else store
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def get(self) -> Store:
        """The store; the same one until `close`.

        Raises:
            StorageError: it cannot be opened.
        """
        if self._opened is None:
            self._opened = self._open() if self._open is not None else self._make_temporary()
        return self._opened

    def close(self) -> None:
        """Close the store where it was opened."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        if self._temporary is not None:
            self._temporary.cleanup()

    def _make_temporary(self) -> Store:
        from yuren_tui.store import Store

        self._temporary = tempfile.TemporaryDirectory(prefix="yuren-")
        return Store.open(Path(self._temporary.name))
