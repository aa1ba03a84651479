# SPDX-License-Identifier: Apache-2.0
"""A preset of megabytes does not hold the screen up: what takes long of it happens in threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tui.chat_app import running
from tests.tui.session.conftest import Start, start, through
from yuren_tui.presets import Assembly, Lorebook, LoreEntry, Preset, PresetText
from yuren_tui.presets.toml_text import preset_toml
from yuren_tui.screens.lore import LoreScreen
from yuren_tui.session import preset_snapshot
from yuren_tui.session.chat_prompt import ChatPrompt
from yuren_tui.session.preset_snapshot import is_long, preset_of, snapshot_of

__all__ = ["start"]  # a fixture

_ENTRIES = 2_500


def large() -> Preset:
    """Some 5 MB of lore."""
    entries = tuple(
        LoreEntry(str(n), f"Entry {n}", "word " * 400, keys=(f"key{n}", f"other{n}"))
        for n in range(_ENTRIES)
    )
    return Preset("large", PresetText(name="Large", lorebook=Lorebook(entries=entries)))


class Gap:
    """How long the loop was held up at most, in seconds."""

    longest = 0.0


@asynccontextmanager
async def watched() -> AsyncIterator[Gap]:
    """Watch the loop."""
    gap = Gap()

    async def beat() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            gap.longest = max(gap.longest, time.perf_counter() - before)

    beating = asyncio.create_task(beat())
    try:
        yield gap
    finally:
        beating.cancel()


async def test_a_long_snapshot_is_read_in_a_thread_and_once(start: Start) -> None:
    session = start("--echo")
    session.use_preset(large())
    await through(session.send("one"))
    session.new_chat(Preset("small"))
    await through(session.send("two"))
    assert is_long(session.store.chats.preset(1))
    assert not is_long(session.store.chats.preset(2))
    preset_snapshot._read.cache_clear()
    before = time.perf_counter()
    preset_of(session.store.chats.preset(1))
    alone = time.perf_counter() - before
    preset_snapshot._read.cache_clear()
    async with watched() as gap:
        await session.read_ahead(1)
        session.open_chat(1)
    assert gap.longest < alone / 2
    assert session.chat.preset.id == "large"


async def test_a_snapshot_is_written_in_a_thread_and_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def seen(preset: Preset) -> str:
        threads.append(threading.get_ident())
        return preset_toml(preset)

    monkeypatch.setattr(preset_snapshot, "preset_toml", seen)
    session, preset = start("--echo"), large()
    await session.write_ahead(preset)
    session.new_chat(preset)
    await through(session.send("one"))
    session.use_preset(preset)
    session.new_chat()
    await through(session.send("two"))
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    assert is_long(session.store.chats.preset(2))
    changed = replace(preset, common=PresetText(name="Other"))
    assert "Other" in str(snapshot_of(changed))


async def test_lore_is_put_together_beside_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    assemble = ChatPrompt.assemble

    def seen(prompt: ChatPrompt) -> Assembly:
        threads.append(threading.get_ident())
        return assemble(prompt)

    async with running(tmp_path / "log", preset=large()) as chat:
        await chat.open()
        chat.chat.prompt.text = "key7"
        monkeypatch.setattr(ChatPrompt, "assemble", seen)
        await chat.pilot.press("f8")
        await chat.until(lambda: isinstance(chat.app.screen, LoreScreen))
        await chat.until(lambda: "Told now (1)" in chat.screen_text())
    assert threads
    assert threading.get_ident() not in threads
