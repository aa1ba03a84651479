# SPDX-License-Identifier: Apache-2.0
"""The chat's screen, as slash commands need it (`yuren_tui.commands.CommandHost`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from yuren_core.i18n import tr
from yuren_core.protocol import Event
from yuren_tui.session import ModelChoice, Session, Turn

if TYPE_CHECKING:
    from yuren_tui.screens.chat_commands import CommandScreen


class ScreenHost:
    """What commands do to the screen.

    Args:
        screen: the chat's.
    """

    def __init__(self, screen: CommandScreen) -> None:
        self._screen = screen

    @property
    def session(self) -> Session:
        """The conversation."""
        return self._screen.session

    @property
    def key_help(self) -> str:
        """As `CommandHost`."""
        return tr("commands.help_screen")

    def say(self, text: str) -> None:
        """A short message for a while."""
        self._screen.say(text)
        self._screen.show_status()

    def show(self, text: str) -> None:
        """A panel of lines."""
        from yuren_tui.screens.reading import ReadScreen

        self._screen.app.push_screen(ReadScreen(text))

    async def show_chat(self) -> None:
        """Another chat is open."""
        await self._screen.show_chat()

    async def show_branch(self, turn: Turn | None) -> None:
        """The path has changed."""
        await self._screen.show_branch(turn)
        self._screen.show_status()

    def refresh(self, turn: Turn) -> None:
        """A pin has changed: the transcript and the meter show it."""
        self._screen.run_worker(self._screen.show_turns(), group="act")
        self._screen.show_status()

    async def show_answer(self, events: AsyncGenerator[Event, None]) -> None:
        """Ask, in the background: the next command need not wait for the answer's end."""
        self._screen.answer(events)

    def begin_edit(self, turn: Turn) -> None:
        """Edit a message where it stands."""
        self._screen.begin_edit(turn)

    async def edit_system(self) -> None:
        """Open the system prompt's panel."""
        self._screen.action_system_prompt()

    async def choose_chat(self, words: str) -> None:
        """Open the list of chats."""
        await self._screen.choose_chat(words)

    async def choose_preset(self) -> None:
        """Open the presets."""
        self._screen.action_presets()

    async def choose_model(self) -> None:
        """Open the models."""
        self._screen.action_models()

    async def load_model(self, choice: ModelChoice) -> None:
        """Load another model; its progress is in the status bar."""
        self._screen.switch_model(choice)

    async def attach(self, path: str) -> None:
        """Attach a picture from the disk, or from where a URL leads, after asking.

        Raises:
            YurenError: what is wrong with it.
        """
        from yuren_tui.attaching import read_pictures
        from yuren_tui.url_picture import is_url

        if is_url(path):
            self._screen.attach_url(path)
            return
        parts, errors = await read_pictures([path])
        if errors:
            raise errors[0]
        self._screen.add_pictures(parts)

    async def copy(self, text: str) -> None:
        """Put a text on the clipboard."""
        await self._screen.copy(text)

    def quit(self) -> None:
        """End."""
        self._screen.app.exit()
