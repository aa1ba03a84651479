# SPDX-License-Identifier: Apache-2.0
"""The chat's panels about what the model is told: system prompt, presets, lore."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import BindingType

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.screens.chat_attaching import AttachScreen
from yuren_tui.screens.chat_meter import MeterScreen
from yuren_tui.screens.chat_switching import SwitchScreen

if TYPE_CHECKING:
    from yuren_tui.editor import Edited
    from yuren_tui.presets import Preset


class PanelScreen(SwitchScreen, MeterScreen, AttachScreen):
    """The part of the chat that opens panels and takes what they give."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("ctrl+e", "system_prompt", "chat.system"),
        bind("f9,alt+p", "presets", "chat.presets"),
        bind("f8", "lore", "chat.lore"),
    ]

    editor_setting = ""
    """The person's editor; empty for the environment's."""
    _unsaved: tuple[int | None, str] | None = None
    """The chat whose system prompt was edited and not saved, and the text."""

    @property
    def panel_commands(self) -> dict[str, Callable[[], object]]:
        """What the command palette offers of these, by name in the catalogues."""
        return {
            "system": self.action_system_prompt,
            "presets": self.action_presets,
            "lore": self.action_lore,
            "meter": self.action_context_meter,
            "models": self.action_models,
            "paste_picture": self.action_paste_picture,
            "look": self.action_look,
        }

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

    @work(group="presets", exclusive=True)
    async def action_presets(self) -> None:
        """Choose who the model is to be."""
        from yuren_tui.presets import PresetLibrary
        from yuren_tui.screens.preset_picker import PresetPicker

        chat = self._session.chat
        picker = PresetPicker(
            PresetLibrary(),
            edit=self.edit_outside,
            language=chat.profile.language,
            current=chat.preset.id,
        )
        chosen = await self.app.push_screen_wait(picker)
        if chosen is None:
            return
        try:
            if chosen.is_for_new_chat:
                await self.begin_with(chosen.preset)
            else:
                self._session.use_preset(chosen.preset)
                name = chosen.preset.name(chat.profile.language)
                self.say(tr("presets_screen.taken", name=name))
                await self.show_turns()
        except YurenError as error:
            self.complain(error)
        self.show_status()

    async def begin_with(self, preset: Preset) -> None:
        """Begin a new chat with a preset; what is unsent stays with the chat that is left.

        Raises:
            UsageError: an answer is being written.
        """
        self.keep_all()
        left = self._session.chat.id
        self._session.new_chat(preset)
        self._last_id = left or self._last_id
        await self.show_chat()

    def action_lore(self) -> None:
        """Show what the lorebook does with what is typed now."""
        from yuren_core.messages import Message, Role
        from yuren_tui.screens.lore import LoreScreen

        text = self.prompt.text
        extra = (Message.of(Role.USER, text),) if text.strip() else ()
        try:
            chat = self._session.chat
            report = chat.assemble(extra=extra).lore
            entries = chat.preset.text(chat.profile.language).lorebook.entries
        except YurenError as error:
            self.complain(error)
            return
        if entries:
            self.app.push_screen(LoreScreen(report, entries))
        else:
            self.say(tr("lore.none"))

    async def edit_outside(self, text: str, suffix: str = ".md") -> Edited:
        """Let the person edit a text in their own editor.

        Raises:
            EditorError, StorageError: it cannot be used.
        """
        from yuren_tui.editor import edit_text, editor_command, screen_given_over

        app = self.app
        return await edit_text(
            text,
            command=editor_command(self.editor_setting, os.environ),
            environment=os.environ,
            suspended=lambda: screen_given_over(app.suspend, app.batch_update),
            suffix=suffix,
        )
