# SPDX-License-Identifier: Apache-2.0
"""When Python looks for garbage in earnest: while nobody types.

A full collection takes some 50 ms of a long chat, and a key that is pressed just then waits for
it. So only young garbage is collected as usual; the whole is when the keys have rested, or, where
they never do, when much has gathered.
"""

from __future__ import annotations

import gc
import time

_REST_S = 1.0
_EVERY_S = 20.0
_YOUNG = (2_000, 10)  # allocations, and collections of the youngest; then of the younger
_MUCH = 150  # collections of the younger; some ten answers
_NEVER = 1_000_000


class IdleCollector:
    """Collects at rest. `start` once, `note_key` at each key, `tick` now and then, `stop` once."""

    def __init__(self) -> None:
        self._key = 0.0
        self._collected = 0.0
        self._thresholds: tuple[int, int, int] | None = None

    def start(self) -> None:
        """Begin: what is there now stays, and is not looked at again."""
        self._thresholds = gc.get_threshold()
        gc.enable()
        gc.freeze()
        gc.set_threshold(*_YOUNG, _NEVER)

    def stop(self) -> None:
        """Leave things as they were."""
        if self._thresholds is not None:
            gc.unfreeze()
            gc.set_threshold(*self._thresholds)
            self._thresholds = None

    def note_key(self) -> None:
        """A key was pressed."""
        self._key = time.monotonic()

    def tick(self) -> None:
        """Collect, if it is time and nobody types, or if much has gathered."""
        now = time.monotonic()
        rests = now - self._key > _REST_S and now - self._collected > _EVERY_S
        if rests or gc.get_count()[2] > _MUCH:
            gc.collect()
            self._collected = time.monotonic()
