# SPDX-License-Identifier: Apache-2.0
"""Keys act in the order in which they were pressed, however fast they come.

Textual forwards a character to the focused widget's queue, runs a binding with priority at once,
and any other binding only when the key has bubbled up to the app. So in a burst (a fast typist on a
busy machine, a paste without brackets, an input method) a line break came before the words before
it, and Backspace after the words behind it. Here the next key waits until the one before has been
through: whatever it had been forwarded to, all parents, and the app itself. What is typed on while
the app ends is dropped: nothing is there any more that could take it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

_LONGEST_S = 1.0  # how long a key waits for one before it: a widget may be gone, or be stuck


class KeysInOrder(App[None], inherit_bindings=False):
    """An app whose keys and pastes act one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting_keys: deque[events.Key | events.Paste] = deque()
        self._key_through: asyncio.Event | None = None
        self._taking_keys: asyncio.Task[None] | None = None

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
        elif self._is_ending:
            self._waiting_keys.clear()
        elif self._taking_keys is None and (
            self._key_through is None or self._key_through.is_set()
        ):
            await self._take_key(event)
        else:
            self._waiting_keys.append(event)
            if self._taking_keys is None:
                self._taking_keys = asyncio.create_task(self._take_keys())

    @property
    def _is_ending(self) -> bool:
        """Whether no screen takes keys any more, or soon none will."""
        return self._exit or self._closing or not self._screen_stacks.get(self.current_mode)

    async def _take_keys(self) -> None:
        """Take all keys that wait; beside the app's own messages, which a key is waited for in."""
        try:
            while self._waiting_keys:
                if self._key_through is not None:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._key_through.wait(), _LONGEST_S)
                if self._is_ending:
                    self._waiting_keys.clear()
                    break
                try:
                    await self._take_key(self._waiting_keys.popleft())
                except Exception as error:  # noqa: BLE001 - a border, as the app's own handlers
                    self._handle_exception(error)
        finally:
            self._taking_keys = None

    async def _take_key(self, event: events.Key | events.Paste) -> None:
        target = self.focused
        await super().on_event(event)
        if self._is_ending:
            return
        # A key may have opened another screen: it has to be there for the next one.
        pumps = [*(target.ancestors_with_self if target else ()), *self.screen_stack[-1:], self]
        self._key_through = asyncio.Event()
        _go_through(pumps, self._key_through)


def _go_through(pumps: list[MessagePump], end: asyncio.Event) -> None:
    """Follow a key: at each pump behind the messages that it has by then."""
    for place, pump in enumerate(pumps):
        if pump.is_attached and pump.call_later(_go_through, pumps[place + 1 :], end):
            return
    end.set()
