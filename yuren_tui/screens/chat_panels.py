# SPDX-License-Identifier: Apache-2.0
"""The chat's panels about what the model is told: system prompt, presets, lore."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import BindingType
from textual.timer import Timer

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.screens.chat_attaching import AttachScreen
from yuren_tui.screens.chat_meter import MeterScreen
from yuren_tui.screens.chat_switching import SwitchScreen

if TYPE_CHECKING:
    from yuren_tui.editor import Edited
    from yuren_tui.presets import Preset
    from yuren_tui.prompt_desk import PromptDesk

_KEEP_AFTER_S = 0.3


class PanelScreen(SwitchScreen, MeterScreen, AttachScreen):
    """The part of the chat that opens panels and takes what they give."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("ctrl+e", "system_prompt", "chat.system"),
        bind("f9,alt+p", "presets", "chat.presets"),
        bind("f8", "lore", "chat.lore"),
    ]

    editor_setting = ""
    """The person's editor; empty for the environment's."""
    _edited_prompt: tuple[PromptDesk, str] | None = None
    """The system prompt that is being edited, and what of it is not in the store yet."""
    _keeping_prompt: Timer | None = None

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

    async def show_chat(self, *, keeps_typed: bool = False) -> None:
        """As `MemoryScreen`; an edit of the system prompt that was left is told of."""
        await super().show_chat(keeps_typed=keeps_typed)
        if self._session.chat.system_draft is not None:
            self.say(tr("system.draft_here"))

    def action_system_prompt(self) -> None:
        """Edit what the model is told first."""
        from yuren_tui.prompt_desk import PromptDesk
        from yuren_tui.screens.system_prompt import EditedPrompt, SystemPromptScreen

        try:
            desk = PromptDesk(self._session)
            screen = SystemPromptScreen(
                desk, desk.draft, on_typed=lambda text: self._prompt_typed(desk, text)
            )
        except YurenError as error:
            self.complain(error)
            return

        def edited(result: EditedPrompt | None) -> None:
            if result is None:
                return
            try:
                if result.is_saved and result.text != desk.text:
                    self._edited_prompt = None
                    desk.save(result.text)
                    self.say(tr("system.saved"))
                    self.show_status()
                else:
                    self._edited_prompt = (desk, result.text)
                    self._keep_prompt()
                    if result.text != desk.text:
                        self.say(tr("system.kept"))
            except YurenError as error:
                self.complain(error)

        self.app.push_screen(screen, edited)

    def _prompt_typed(self, desk: PromptDesk, text: str) -> None:
        self._edited_prompt = (desk, text)
        if self._keeping_prompt is None:
            self._keeping_prompt = self.set_timer(_KEEP_AFTER_S, self._keep_prompt)

    def _keep_prompt(self) -> None:
        """Put the edit of the system prompt into the store now."""
        self._keeping_prompt = None
        (desk, text), self._edited_prompt = self._edited_prompt or (None, ""), None
        if desk is not None:
            try:
                desk.keep(text)
            except YurenError as error:
                self.complain(error)

    def keep_all(self) -> None:
        """As `MemoryScreen`, and the edit of the system prompt."""
        super().keep_all()
        self._keep_prompt()

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
            await self._session.write_ahead(chosen.preset)
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

    @work(group="lore", exclusive=True)
    async def action_lore(self) -> None:
        """Show what the lorebook does with what is typed now."""
        from yuren_core.messages import Message, Role
        from yuren_tui.screens.lore import LoreScreen

        text = self.prompt.text
        extra = (Message.of(Role.USER, text),) if text.strip() else ()
        try:
            chat = self._session.chat
            entries = chat.preset.text(chat.profile.language).lorebook.entries
            if not entries:
                self.say(tr("lore.none"))
                return
            assembly = await asyncio.to_thread(chat.prompt(unsaid=extra).assemble)
        except YurenError as error:
            self.complain(error)
            return
        if not isinstance(self.app.screen, TranslatedModal):  # the person has gone on otherwise
            self.app.push_screen(LoreScreen(assembly.lore, entries))

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
