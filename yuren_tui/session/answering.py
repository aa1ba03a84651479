# SPDX-License-Identifier: Apache-2.0
"""One answer: from a turn that waits for its words to one that has them, in the store too.

Every event of the model process is applied here first and then handed on. The answer is in the
store at least twice a second. One that has not a single word yet when it fails or is stopped is
taken back, with its question where that was new; one that has words stands, whatever happens to
the process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from yuren_core.protocol import Cancelled, Completed, Delta, Event, Exited, Prompt
from yuren_tui.session.model_link import ModelLink
from yuren_tui.session.values import Turn

if TYPE_CHECKING:
    from yuren_tui.session.stored_chat import StoredChat

_SAVE_EVERY_S = 0.5


async def write_answer(
    answer: Turn,
    question: Turn | None,
    *,
    chat: StoredChat,
    link: ModelLink,
    stop: asyncio.Event,
) -> AsyncGenerator[Event, None]:
    """Generate into a turn.

    Args:
        answer: the turn; words that it has are gone on from.
        question: what is taken back with a wordless answer; None where it was there before.
        chat: whose turns these are.
        link: the model; loaded again where the process is gone.
        stop: ends the waiting for a load and for the prompt.

    Yields:
        As `Session.send`.

    Raises:
        NoVisionTowerError: a picture, and the model that was loaded cannot see.
        StorageError: the disk refuses.
    """
    began = answer.text
    try:
        async for event in link.make_ready(stop):
            yield event
        if not stop.is_set() and link.state.phase != "ready":
            if link.state.failure is not None:
                yield link.state.failure
            return
        if not stop.is_set():
            link.check_sight(chat.images)
            chat.model_name = link.model_name
            assembly = await asyncio.to_thread(chat.prompt(answer).assemble)
        if stop.is_set():
            yield Cancelled(0, 0, 0.0, 0.0)
            return
        saved = time.monotonic()
        is_another = answer.sibling_count > 1 and not began
        draw = chat.sampling.varied if is_another else chat.sampling.advised
        stream = link.client.generate(assembly.items, draw(link.advice))
        async with aclosing(stream) as events:
            async for event in events:
                _apply(answer, event, link)
                now = time.monotonic()
                if now - saved > _SAVE_EVERY_S and answer.text != began:
                    saved = now
                    chat.save_partial(answer)
                yield event
        chat.remember_lore(assembly)
    finally:
        _settle(answer, question, began, chat)


def _apply(answer: Turn, event: Event, link: ModelLink) -> None:
    match event:
        case Prompt():
            answer.stats = replace(
                answer.stats,
                prompt_tokens=event.prompt_tokens,
                cached_tokens=event.cached_tokens,
                dropped_turns=event.dropped_turns,
            )
        case Delta():
            answer.text += event.text
            answer.stats = replace(answer.stats, completion_tokens=event.completion_tokens)
        case Completed() | Cancelled():
            answer.status = "stopped" if isinstance(event, Cancelled) else "done"
            if isinstance(event, Completed) and event.finish_reason == "length":
                answer.status = "length"
            answer.stats = replace(
                answer.stats,
                completion_tokens=event.completion_tokens,
                ttft_s=event.ttft_s,
                tokens_per_s=event.tokens_per_s,
            )
        case Exited():
            link.mark_dead(event)
        case _:
            pass


def _settle(answer: Turn, question: Turn | None, began: str, chat: StoredChat) -> None:
    """Give the answer its last status in the store; take a wordless one back."""
    if answer.status == "writing":
        answer.status = "failed"
    if answer.text == began and (began or answer.status in ("failed", "stopped")):
        chat.take_back(answer, question)
    else:
        chat.finish(answer)
