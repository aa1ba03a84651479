# SPDX-License-Identifier: Apache-2.0
"""How full the context is, with what is typed now: counted a moment after the last key.

The model process counts; while it loads or answers, the last answer's own numbers are shown.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.widgets import TextArea

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.screens.chat_model import ModelScreen
from yuren_tui.session import ContextUse
from yuren_tui.widgets.picture import PictureBar
from yuren_tui.widgets.status_bar import StatusBar

_REST_S = 0.25  # how long nothing must be typed before it is counted


class MeterScreen(ModelScreen):
    """The part of the chat that knows what the next message would find of the context."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("f6", "context_meter", "chat.meter")]

    use: ContextUse | None = None
    """As last counted; None while nothing is known."""

    @on(TextArea.Changed, "PromptArea")
    def _typed(self) -> None:
        self.recount()

    @on(PictureBar.Changed)
    def _pictures_changed(self) -> None:
        self.recount()

    @work(group="meter", exclusive=True)
    async def action_context_meter(self) -> None:
        """Show what fills the context."""
        from yuren_tui.screens.context_meter import ContextScreen

        try:
            use = await self._count()
        except YurenError as error:
            self.complain(error)
            return
        if use is None:
            self.say(tr("meter.unknown"))
        else:
            self.app.push_screen(ContextScreen(use, self._session.turns))

    def show_status(self) -> None:
        """Bring the status bar up to date, and count anew where the model is at rest."""
        super().show_status()
        if self._session.is_answering or self._session.model.phase != "ready":
            self._show_use(None)
        else:
            self.recount()

    @work(group="count", exclusive=True)
    async def recount(self) -> None:
        """Count, once nothing has been typed for a moment."""
        await asyncio.sleep(_REST_S)
        use = None
        with suppress(YurenError):  # the opening has said that preset or store cannot be read
            use = await self._count()
        self._show_use(use)

    async def _count(self) -> ContextUse | None:
        from yuren_tui.commands import told_of

        return await self._session.count(told_of(self.prompt.text), self.pictures.pictures)

    def _show_use(self, use: ContextUse | None) -> None:
        self.use = use
        bar = self.query_one(StatusBar)
        if use is None:
            bar.status = replace(bar.status, leaving=0, fits=True)
        else:
            bar.status = replace(
                bar.status,
                used=use.prompt_tokens,
                context_length=use.context_length,
                leaving=len(use.dropped_turn_ids),
                fits=use.fits,
            )
        self.mark_leaving(use.dropped_turn_ids if use else ())

    def mark_leaving(self, turn_ids: tuple[int, ...]) -> None:
        """Show in the transcript which turns the next message would push out."""
        leaving = set(turn_ids)
        for view in self.transcript.turns.query("UserMessage, AssistantMessage"):
            view.set_class(getattr(view, "turn_id", None) in leaving, "-leaving")
