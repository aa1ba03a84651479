# SPDX-License-Identifier: Apache-2.0
"""Another model in the same chat: loaded with its progress shown; the old one where that fails."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import work
from textual.binding import BindingType

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.screens.chat_model import MODELS_BINDINGS, ModelScreen
from yuren_tui.session import ModelChoice


class SwitchScreen(ModelScreen):
    """The part of the chat that changes its model."""

    BINDINGS: ClassVar[list[BindingType]] = [*MODELS_BINDINGS]

    @work(group="models", exclusive=True)
    async def action_models(self) -> None:
        """Choose another model."""
        from yuren_tui.models_at_hand import models_at_hand
        from yuren_tui.screens.models import ModelPicker

        try:
            self._session.require_rest()
            recent = self._session.store.history.models()
        except YurenError as error:
            self.complain(error)
            return
        models = await asyncio.to_thread(models_at_hand, recent, self._care.choice)
        has_pictures = any(turn.images for turn in self._session.turns)
        picker = ModelPicker(models, current=self._care.choice, has_pictures=has_pictures)
        chosen = await self.app.push_screen_wait(picker)
        if chosen is not None:
            self.switch_model(chosen)

    @work(group="model", exclusive=True)
    async def switch_model(self, choice: ModelChoice) -> None:
        """Load another model; where that fails, the one before is loaded again."""
        before = self._care.choice
        had_none = before is None
        if await self._load_choice(choice):
            await self._welcome(choice, had_none=had_none)
        elif before is not None and before != choice:
            self.say(tr("models.old_again"), severity="warning")
            await self._load_choice(before)

    async def _load_choice(self, choice: ModelChoice) -> bool:
        self._care.forgive()
        async for event in self._care.switch(choice):
            await self._show_load(event)
        self.show_status()
        return self._session.model.phase == "ready"

    async def _welcome(self, choice: ModelChoice, *, had_none: bool) -> None:
        """Remember a model that has loaded, and say what it cannot do."""
        try:
            history = self._session.store.history
            history.add_model(choice.model, load=choice.load, device=choice.device)
        except YurenError as error:
            self.complain(error)
        if had_none:
            await self.transcript.replace_placeholder(self.placeholder())
            self.prompt.focus()
        ready = self._session.model.ready
        if ready is None:
            return
        self.say(tr("models.now", name=ready.model))
        pictures = any(turn.images for turn in self._session.turns) or self.pictures.pictures
        if pictures and not ready.image_tokens:
            self.say(tr("models.blind_now"), tr("models.blind_hint"), severity="warning")
