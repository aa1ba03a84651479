# SPDX-License-Identifier: Apache-2.0
"""Ask the terminal something while Textual reads from it.

Every question ends with one that all terminals answer (DA1), so that an answer, or none, is known
as soon as that comes. A terminal that answers late, after nobody waits any more, is still heard
for some seconds, so that its answer is not typed into the prompt.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

_DA1 = "\x1b[c"
_DA1_REPLY = re.compile(r"\x1b\[\?[\d;]+c")
_LATE_S = 10.0


class Questions:
    """What is asked of the terminal; one question at a time."""

    def __init__(self) -> None:
        self._until = 0.0
        self._open: Callable[[str], None] | None = None

    def is_waiting(self) -> bool:
        """Whether an answer may come; called by the thread that reads."""
        return time.monotonic() < self._until

    def take(self, reply: str) -> None:
        """Take an answer; called by the thread that reads."""
        if (tell := self._open) is not None:
            tell(reply)

    async def ask(
        self, write: Callable[[str], None], question: str, *, timeout_s: float = 0.5
    ) -> tuple[str, ...]:
        """Ask, and wait for what comes.

        Args:
            write: writes to the terminal, in order with what Textual draws.
            question: control sequences; the last question is added.
            timeout_s: how long to wait where the terminal says nothing.

        Returns:
            The answers that came, the answer to DA1 the last; empty where nothing answers.
        """
        if self._open is not None:
            return ()
        loop = asyncio.get_running_loop()
        replies: list[str] = []
        done = asyncio.Event()

        def tell(reply: str) -> None:
            replies.append(reply)
            if _DA1_REPLY.fullmatch(reply):
                loop.call_soon_threadsafe(done.set)

        self._open, self._until = tell, time.monotonic() + timeout_s + _LATE_S
        try:
            write(f"{question}{_DA1}")
            await asyncio.wait_for(done.wait(), timeout_s)
            self._until = 0.0
        except TimeoutError:
            pass
        finally:
            self._open = None
        return tuple(replies)
