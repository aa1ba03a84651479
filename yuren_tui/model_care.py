# SPDX-License-Identifier: Apache-2.0
"""Keeps a model loaded: loads it, notices that its process died, starts another. No textual.

A process that dies is started again at once, except while it was loading, and at most
`MOST_RESTARTS` times without a whole answer between: what dies over and over waits for the person.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator

from yuren_core.protocol import Event, Exited
from yuren_tui.session import ModelChoice, Session

MOST_RESTARTS = 3


class ModelCare:
    """The care for one session's model.

    Args:
        session: whose model.
        choice: which model; None where none is installed yet.
    """

    def __init__(self, session: Session, choice: ModelChoice | None) -> None:
        self.session = session
        self._restarts = 0
        self._began = 0.0

        if choice is not None:
            self.choose(choice)

    @property
    def choice(self) -> ModelChoice | None:
        """Which model; None where there is none yet."""
        return self.session.choice

    def choose(self, choice: ModelChoice) -> None:
        """Take this model from the next load on; a message sent before that waits for it."""
        self.session.choice = choice

    @property
    def loading_s(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self._began

    async def load(self) -> AsyncGenerator[Event, None]:
        """Load the chosen model; nothing where there is none, or a load goes on already."""
        if self.choice is None or self.session.model.phase == "loading":
            return
        self._began = time.monotonic()
        async for event in self.session.load(self.choice):
            yield event

    async def switch(self, choice: ModelChoice) -> AsyncGenerator[Event, None]:
        """Load another model in the place of the one that there is; events as `load`."""
        self._began = time.monotonic()
        async for event in self.session.load(choice):
            yield event

    def may_restart(self) -> bool:
        """Whether a process that has just died is to be started again; counts the deaths."""
        self._restarts += 1
        return self._restarts <= MOST_RESTARTS

    def forgive(self) -> None:
        """A whole answer came, or the person asks for another try: count anew."""
        self._restarts = 0

    async def look(self) -> Exited | None:
        """The end of a process that died while nobody asked it anything; once."""
        return await self.session.check_alive()
