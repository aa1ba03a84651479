# SPDX-License-Identifier: Apache-2.0
"""What the next message would find of the context, asked of the model process.

One count goes on at a time: the assembly runs in a thread, which nobody can stop, and the process
answers in order. A count that is cancelled while it waits never begins; one that is cancelled
while it is assembled is not sent. So however fast somebody types, a question never has more than
one count before it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from yuren_core.client import ModelClient
from yuren_core.protocol import Counted
from yuren_core.sampling_params import SamplingParams
from yuren_tui.session.values import ContextUse, Turn

if TYPE_CHECKING:
    from yuren_tui.presets import Assembly
    from yuren_tui.session.chat_prompt import ChatPrompt


class ContextCounter:
    """Counts for one session."""

    def __init__(self) -> None:
        self._running: asyncio.Task[ContextUse | None] | None = None

    async def wait_for_turn(self) -> None:
        """Wait until no count goes on: what is counted next can be taken after this."""
        while self._running is not None and not self._running.done():
            await asyncio.wait([self._running])

    async def count(
        self,
        prompt: ChatPrompt,
        *,
        turns: Sequence[Turn],
        client: ModelClient,
        sampling: SamplingParams,
        context_length: int,
    ) -> ContextUse | None:
        """Count a prompt; after `wait_for_turn`.

        Args:
            prompt: what would be told.
            turns: those of its history, in order.
            client: who is asked.
            sampling: how it would be answered.
            context_length: of the model.

        Returns:
            What it would find; None where the process does not say.
        """
        stale = asyncio.Event()

        async def ask() -> ContextUse | None:
            assembly = await asyncio.to_thread(prompt.assemble)
            if stale.is_set():
                return None
            event = await client.count(assembly.items, sampling)
            if not isinstance(event, Counted):
                return None
            return _context_use(assembly, event, turns, context_length)

        self._running = asyncio.create_task(ask())
        self._running.add_done_callback(_look_at)
        try:
            return await asyncio.shield(self._running)
        except asyncio.CancelledError:
            stale.set()
            raise


def _look_at(task: asyncio.Task[ContextUse | None]) -> None:
    """Nobody waits for a stale count; its failure is nobody's."""
    if not task.cancelled():
        task.exception()


def _context_use(
    assembly: Assembly, event: Counted, turns: Sequence[Turn], context_length: int
) -> ContextUse:
    by_kind: Counter[str] = Counter()
    for place, item in enumerate(assembly.items):
        if place not in event.dropped:
            pictures = event.image_tokens[place]
            by_kind[item.kind] += event.tokens[place] - pictures
            by_kind["images"] += pictures
    by_kind["opening"] = event.prompt_tokens - by_kind.total()
    dropped = [assembly.items[place] for place in event.dropped]
    return ContextUse(
        by_kind=dict(by_kind),  # type: ignore[arg-type]
        answer_tokens=event.answer_tokens,
        context_length=context_length,
        dropped_turn_ids=tuple(turns[item.index].id for item in dropped if item.index is not None),
        drops_examples=any(item.kind == "examples" for item in dropped),
        fits=event.fits,
    )
