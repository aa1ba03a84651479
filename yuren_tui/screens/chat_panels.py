# SPDX-License-Identifier: Apache-2.0
"""The chat's panels about what the model is told: system prompt."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.screens.chat_meter import MeterScreen


class PanelScreen(MeterScreen):
    """The part of the chat that opens panels and takes what they give."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("ctrl+e", "system_prompt", "chat.system"),
    ]

    _unsaved: tuple[int | None, str] | None = None
    """The chat whose system prompt was edited and not saved, and the text."""

    def action_system_prompt(self) -> None:
        """Edit what the model is told first."""
        from yuren_tui.prompt_desk import PromptDesk
        from yuren_tui.screens.system_prompt import EditedPrompt, SystemPromptScreen

        try:
            desk = PromptDesk(self._session)
            chat_id = self._session.chat.id
            kept = self._unsaved
            draft = kept[1] if kept is not None and kept[0] == chat_id else None
            screen = SystemPromptScreen(desk, draft)
        except YurenError as error:
            self.complain(error)
            return

        def edited(result: EditedPrompt | None) -> None:
            if result is None:
                return
            self._unsaved = None
            if result.text == desk.text:
                return
            if result.is_saved:
                self.save_system_prompt(result.text)
            else:
                self._unsaved = (chat_id, result.text)
                self.say(tr("system.kept"))

        self.app.push_screen(screen, edited)

    def save_system_prompt(self, text: str) -> None:
        """Tell the model this first, from the next message on."""
        try:
            self._session.system_prompt = text
        except YurenError as error:
            self._unsaved = (self._session.chat.id, text)
            self.complain(error)
            return
        self.say(tr("system.saved"))
        self.show_status()
