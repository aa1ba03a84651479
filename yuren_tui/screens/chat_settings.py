# SPDX-License-Identifier: Apache-2.0
"""What of the settings the chat's screen follows: editor, pictures, sizes, who talks, sampling."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from yuren_tui.screens.chat_commands import CommandScreen

if TYPE_CHECKING:
    from yuren_tui.settings import Settings

_FRAME = 2  # lines of the prompt's border
_SHARE = 3  # the prompt takes at most this part of the screen's height


class FollowingScreen(CommandScreen):
    """The part of the chat that follows the settings."""

    settings: Settings | None = None
    """What is in force at the start; None for the defaults."""
    _prompt_height = 0

    def on_mount(self) -> None:
        if self.settings is not None:
            self.follow(self.settings)

    def follow(self, settings: Settings) -> None:
        """Be as the settings say; after mounting, and whenever they change."""
        self.settings = settings
        interface = settings.interface
        self.editor_setting = interface.editor
        self.images = interface.images
        self.set_class(interface.images == "off", "-without-pictures")
        self.transcript.turns.most = interface.shown_messages
        self._prompt_height = interface.prompt_height
        self._limit_prompt()

    def follow_person(self, settings: Settings) -> None:
        """Take what has been changed of who talks and how answers are drawn."""
        session, person = self._session, settings.person
        profile = replace(session.profile, user_name=person.name, persona=person.persona)
        session.profile = session.base_profile = session.chat.profile = profile
        session.base_sampling = settings.sampling
        self.show_status()

    def on_resize(self) -> None:
        self._limit_prompt()

    def _limit_prompt(self) -> None:
        if self._prompt_height:
            most = max(_FRAME + 1, self.size.height // _SHARE)
            self.prompt.styles.max_height = min(self._prompt_height + _FRAME, most)
