# SPDX-License-Identifier: Apache-2.0
"""Sessions over the real protocol, with scripted processes, all with the store of one directory."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio

from yuren_core.client import ModelClient
from yuren_core.images import image_part
from yuren_core.protocol import Event
from yuren_core.shipped import assets_dir
from yuren_tui.presets import Preset, PresetSampling, PresetText
from yuren_tui.session import ModelChoice, Session
from yuren_tui.store import Store

PICTURE = image_part(assets_dir() / "pictures" / "cat.png")
HOST = Preset(
    "host",
    PresetText(
        name="Ana",
        system="You are {{char}}.",
        character="Ana keeps an inn.",
        greeting="Welcome, {{user}}!",
        alternate_greetings=("Closed.",),
    ),
    sampling=PresetSampling(temperature=1.5, top_k=3),
)
Start = Callable[..., Session]


def scripted(log: Path, *options: str) -> ModelClient:
    """A scripted process that is not started yet."""
    return ModelClient((sys.executable, "-m", "yuren_core.scripted", *options), log_path=log)


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Make sessions whose scripted processes end with the test."""
    sessions: list[Session] = []

    def make(*options: str, **values: Any) -> Session:
        client = scripted(tmp_path / "model.log", *options)
        sessions.append(Session(client, store=lambda: Store.open(tmp_path), **values))
        sessions[-1].choice = ModelChoice("any")
        return sessions[-1]

    yield make
    for session in sessions:
        await session.client.close()
        session.close()


async def through(events: AsyncGenerator[Event, None]) -> Event:
    """The last of some events."""
    async for event in events:
        last = event
    return last


def texts(session: Session) -> list[str]:
    """The words of the path that is shown."""
    return [turn.text for turn in session.turns]


def counters(session: Session) -> list[tuple[int, int]]:
    """Which of how many alternatives each turn of the path is."""
    return [(turn.sibling_index, turn.sibling_count) for turn in session.turns]
