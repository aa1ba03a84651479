# SPDX-License-Identifier: Apache-2.0
"""Counting what the next message would find: right, beside the loop, and one at a time."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.tui.session.conftest import HOST, PICTURE, Start, through
from yuren_core.protocol import Delta
from yuren_tui.presets import Lorebook, LoreEntry, Preset, PresetText
from yuren_tui.session import Session

_ENTRIES, _LINES = 60, 4_500


@pytest.fixture(scope="module")
def library() -> Preset:
    """Somebody who knows five megabytes, of which little may be told."""
    content = "{{char}} keeps book number two.\n" * _LINES
    entries = tuple(
        LoreEntry(keys=(f"book {n}",), content=content, is_constant=True) for n in range(_ENTRIES)
    )
    book = Lorebook(entries=entries, token_budget=10)
    assert sum(len(entry.content) for entry in entries) > 5_000_000
    return Preset("library", PresetText(name="Lin", system="S", lorebook=book))


async def ready(session: Session) -> Session:
    assert session.choice is not None
    async for _ in session.load(session.choice):
        pass
    session.begin()
    return session


async def longest_standstill(stop: asyncio.Event) -> float:
    """The longest time that the loop did nothing else, in seconds."""
    longest = 0.0
    while not stop.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - began)
    return longest


async def test_the_context_is_counted_by_what_fills_it(start: Start) -> None:
    session = start("--echo", preset=HOST)
    assert await session.count("x") is None
    session.begin()
    await through(session.send("one two"))
    use = await session.count("three", (PICTURE,))
    assert use is not None
    assert use.by_kind["system"] == 3 + 4 + 4
    assert use.by_kind["history"] == (2 + 4) * 3 + (1 + 4)
    assert use.by_kind["images"] == 18
    assert (use.fits, use.dropped_turn_ids, use.context_length) == (True, (), 2048)


async def test_the_turns_that_will_be_pushed_out_are_named_but_for_pinned_ones(
    start: Start,
) -> None:
    session = start("--answer", "word " * 300)
    for _ in range(6):
        await through(session.send("word " * 40))
    session.chat.pin(session.turns[0].id, pinned=True)
    use = await session.count("more")
    assert use is not None
    ids = [turn.id for turn in session.turns]
    assert use.dropped_turn_ids
    assert use.dropped_turn_ids == tuple(ids[2 : 2 + len(use.dropped_turn_ids)])


async def test_a_large_lorebook_does_not_hold_the_loop(start: Start, library: Preset) -> None:
    session = await ready(start("--echo", preset=library))
    await through(session.send("hello"))
    began = time.perf_counter()
    session.chat.assemble()
    at_once = time.perf_counter() - began
    done = asyncio.Event()
    watching = asyncio.create_task(longest_standstill(done))
    assert await session.count("x") is not None
    await through(session.send("x"))
    done.set()
    assert await watching < at_once / 2


async def test_a_count_that_is_cancelled_while_it_waits_never_begins(
    start: Start, library: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await ready(start("--echo", preset=library))
    asked: list[str] = []
    client = session.client
    count = client.count

    async def counting(prompt, sampling):  # type: ignore[no-untyped-def]
        asked.append(prompt[-1].message.text)
        return await count(prompt, sampling)

    monkeypatch.setattr(client, "count", counting)
    stale: list[asyncio.Task[object]] = []
    for text in ("h", "he", "hel"):
        stale.append(asyncio.create_task(session.count(text)))
        await asyncio.sleep(0.01)
        stale[-1].cancel()
    use = await session.count("hell")
    assert use is not None
    assert asked == ["hell"]
    assert all(task.cancelled() for task in stale)


async def test_no_count_while_an_answer_is_written(start: Start) -> None:
    session = start("--token-delay", "0.02")
    async for event in session.send("one"):
        if isinstance(event, Delta):
            assert await session.count("two") is None


async def test_a_question_that_is_stopped_while_it_is_put_together_is_not_sent(
    start: Start, library: Preset
) -> None:
    session = await ready(start("--echo", preset=library))
    asking = asyncio.create_task(through(session.send("hello")))
    await asyncio.sleep(0.05)  # far less than it takes
    await session.stop()
    await asking
    assert session.turns == []
    assert session.chat.draft.text == "hello"
