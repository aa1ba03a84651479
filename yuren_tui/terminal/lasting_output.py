# SPDX-License-Identifier: Apache-2.0
"""What the screen is written to, which may be gone while there is still something to draw.

Textual writes from a thread of its own, through a queue. When a terminal was closed, the first
write to it ended that thread, the queue filled, and the next drawing waited for room that never
came, deaf to all signals, the model in memory. Here what nobody can see any more is dropped.
"""

from __future__ import annotations

from contextlib import suppress
from typing import IO, Any

from textual.driver import Driver


class LastingOutput:
    """A file of text whose writes outlast its terminal.

    Args:
        file: the terminal.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write, or drop what cannot be."""
        with suppress(OSError, ValueError):  # the latter of a file that is closed
            return self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or drop what cannot be."""
        with suppress(OSError, ValueError):
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def lasting(driver: type[Driver]) -> type[Driver]:
    """The same driver, with an output that outlasts its terminal."""

    class LastingDriver(driver):  # type: ignore[valid-type, misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            if (file := getattr(self, "_file", None)) is not None:
                self._file = LastingOutput(file)

    return LastingDriver
