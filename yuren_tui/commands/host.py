# SPDX-License-Identifier: Apache-2.0
"""What commands need of whoever shows the conversation: the screen, or the lines of `--plain`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from yuren_core.protocol import Event
from yuren_tui.session import ModelChoice, Session, Turn


class CommandHost(Protocol):
    """A front end. Its methods raise YurenError where something fails; texts are not harmless
    yet: what comes from models, files and people is to be shown without markup."""

    @property
    def session(self) -> Session:
        """The conversation."""

    @property
    def key_help(self) -> str:
        """What there is to know of the keys, at the end of `/help`."""

    def say(self, text: str) -> None:
        """Tell in passing what was done; one line."""

    def show(self, text: str) -> None:
        """Show some lines until the person has read them."""

    async def show_chat(self) -> None:
        """Show another chat: all of `session.turns`, and its draft in the prompt."""

    async def show_branch(self, turn: Turn | None) -> None:
        """Show the path again, which has changed; `turn` is what to look at, None for its end."""

    def refresh(self, turn: Turn) -> None:
        """Draw again what stands beside a message: its pin has changed."""

    async def show_answer(self, events: AsyncGenerator[Event, None]) -> None:
        """Ask, by iterating, and draw the answer that grows in `session.turns[-1]`."""

    def begin_edit(self, turn: Turn) -> None:
        """Put a message into the prompt; what is sent next is said in its place."""

    async def edit_system(self) -> None:
        """Let the person edit the chat's system prompt."""

    async def choose_chat(self, words: str) -> None:
        """Show the list of chats, those with these words in them; all where there are none."""

    async def choose_preset(self) -> None:
        """Show the presets."""

    async def choose_model(self) -> None:
        """Show the models that are at hand."""

    async def load_model(self, choice: ModelChoice) -> None:
        """Load a model in the place of the one that is loaded."""

    async def attach(self, path: str) -> None:
        """Attach a picture to the next message; the path is as a person writes it."""

    async def copy(self, text: str) -> None:
        """Put a text on the clipboard, and say whether it is there."""

    def quit(self) -> None:
        """End."""
