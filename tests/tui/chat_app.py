# SPDX-License-Identifier: Apache-2.0
"""The chat over the scripted process, as the tests drive it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Static

from yuren_core.client import ModelClient
from yuren_tui.app import ChatApp
from yuren_tui.presets import Preset
from yuren_tui.screens.chat import ChatScreen
from yuren_tui.session import ModelChoice, Session
from yuren_tui.store import Store
from yuren_tui.widgets.markdown import StreamedMarkdown
from yuren_tui.widgets.messages import AssistantMessage, Notice, UserMessage

CHOICE = ModelChoice("any")


class Driven:
    """A running chat and what a test asks it."""

    def __init__(self, app: ChatApp, pilot: Pilot[None], session: Session) -> None:
        self.app = app
        self.pilot = pilot
        self.session = session
        self.chat = next(screen for screen in app.screen_stack if isinstance(screen, ChatScreen))

    async def until(self, what: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait for something to be true."""
        for _ in range(int(seconds / 0.02)):
            if what():
                await self.pilot.pause()
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"not within {seconds} s; {self.notices=} {self.toasts=}")

    async def ready(self) -> None:
        await self.until(lambda: self.session.model.phase == "ready")

    async def ask(self, text: str, *, wait: bool = True) -> None:
        """Write and send; wait for the answer's end."""
        before = len(self.answers)
        self.chat.prompt.text = text
        await self.pilot.press("enter")
        if wait:
            await self.until(lambda: len(self.answers) > before)
            await self.idle()

    async def idle(self) -> None:
        await self.until(lambda: not self.session.is_answering)
        await self.until(lambda: all(m.ending is not None for m in self.answers))

    @property
    def answers(self) -> list[AssistantMessage]:
        return list(self.chat.query(AssistantMessage))

    async def open(self) -> None:
        """Wait for the model and for the first chat."""
        await self.ready()
        await self.until(self.chat.is_open.is_set)
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        """Press keys, and let what they ask for come to its end."""
        await self.pilot.press(*keys)
        await self.pilot.pause()
        busy = ("act", "open", "tree", "window")
        await self.until(lambda: not [w for w in self.app.workers if w.group in busy])

    @property
    def turns(self) -> list[str]:
        """The words of the path that the session has."""
        return [turn.text for turn in self.session.turns]

    @property
    def current(self) -> str:
        """The words of the message that the keys act on."""
        view = self.chat.transcript.turns.current_view
        return view.text if view else ""

    @property
    def questions(self) -> list[str]:
        return [words(m.query_one(".words", Static)) for m in self.chat.query(UserMessage)]

    @property
    def notices(self) -> list[str]:
        return [words(n.query_one(".words", Static)) for n in self.chat.query(Notice)]

    @property
    def toasts(self) -> list[str]:
        return [toast.message for toast in self.app._notifications]

    def source(self, index: int = -1) -> str:
        """The Markdown of an answer."""
        return self.answers[index].query_one(StreamedMarkdown).source

    def screen_text(self) -> str:
        """All that is on the screen, as characters."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text for strip in strips)


def words(widget: Static) -> str:
    return str(widget.content)


def scripted(log: Path, *options: str) -> ModelClient:
    return ModelClient((sys.executable, "-m", "yuren_core.scripted", *options), log_path=log)


@asynccontextmanager
async def running(
    log: Path,
    *options: str,
    choice: ModelChoice | None = CHOICE,
    size: tuple[int, int] = (80, 24),
    images: tuple[str, ...] = (),
    prompt: str = "",
    store: Callable[[], Store] | None = None,
    opening: Callable[[Session], object] | None = None,
    preset: Preset | None = None,
) -> AsyncIterator[Driven]:
    """The chat with a scripted process; no exception may go unnoticed.

    Args:
        log: the model process's.
        options: of the scripted process.
        choice: which model; None where none is installed.
        size: of the terminal.
        images: attached at the start.
        prompt: sent at the start.
        store: opens the chats that are kept; None keeps them for this run.
        opening: shows the first chat; a new one by default.
        preset: who the model is.
    """
    session = Session(scripted(log, *options), store=store, opening=opening, preset=preset)
    app = ChatApp(session, choice=choice, images=images, prompt=prompt)
    try:
        async with app.run_test(size=size) as pilot:
            yield Driven(app, pilot, session)
            assert not app._faults, "an unexpected exception: see the log"
    finally:
        await session.client.close()
        session.close()
