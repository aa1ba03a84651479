# SPDX-License-Identifier: Apache-2.0
"""The prompt's past and the external editor: older prompts come and go, the draft never does.

Up at the first line shows the prompt that was sent before, Down the one after, and the draft at
the end; what is changed in one on the way stays changed until something is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.content import Content

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.screens.chat_panels import PanelScreen
from yuren_tui.widgets.prompt import PromptArea

_MOST = 1_000  # prompts that Up goes through

DRAFT = -1
"""The place of what is not sent yet."""


class PromptScreen(PanelScreen):
    """The part of the chat that remembers prompts."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("ctrl+r", "prompt_history", "chat.history"),
        bind("ctrl+g", "editor", "chat.editor"),
    ]

    @property
    def panel_commands(self) -> dict[str, Callable[[], object]]:
        """What the command palette offers of these, by name in the catalogues."""
        own: dict[str, Callable[[], object]] = {
            "history": self.action_prompt_history,
            "forget_prompts": self.action_forget_prompts,
            "editor": self.action_editor,
        }
        return super().panel_commands | own

    _older: tuple[str, ...] = ()
    _place = DRAFT
    _written: dict[int, str] | None = None
    """What stands at each place that was seen, where it is not what was sent."""

    @on(PromptArea.EdgePassed)
    def _edge_passed(self, event: PromptArea.EdgePassed) -> None:
        event.stop()
        if self._place == DRAFT and event.step < 0:
            self._read_older()
        place = self._place - event.step
        if DRAFT <= place < len(self._older):
            self._go(place)
        else:
            self.prompt.move_line(event.step)

    @work(group="history", exclusive=True)
    async def action_prompt_history(self) -> None:
        """Search all prompts that were sent; the draft is kept."""
        from yuren_tui.screens.prompt_history import PromptHistory

        try:
            history = self._session.store.history
        except YurenError as error:
            self.complain(error)
            return
        chosen = await self.app.push_screen_wait(PromptHistory(history.prompts))
        if chosen is None:
            return
        self._read_older()
        if chosen not in self._older:
            self._older = (chosen, *self._older)
        self._go(self._older.index(chosen))
        self.prompt.focus()

    @work(group="history", exclusive=True)
    async def action_forget_prompts(self) -> None:
        """Forget all prompts that were sent, once the person has said so; the chats stay."""
        from yuren_tui.screens.pick import PickScreen

        entries = [Content(f"  {tr(f'history.{answer}')}") for answer in ("keep", "forget")]
        if await self.app.push_screen_wait(PickScreen(tr("history.forget_title"), entries)) != 1:
            return
        try:
            self._session.store.history.forget_prompts()
        except YurenError as error:
            self.complain(error)
            return
        if self._place != DRAFT:
            self._go(DRAFT)
        self._older, self._written = (), None
        self.say(tr("history.forgotten"))

    @work(group="editor", exclusive=True)
    async def action_editor(self) -> None:
        """Write the prompt in the external editor."""
        try:
            edited = await self.edit_outside(self.prompt.text)
        except YurenError as error:
            self.complain(error)
            return
        if edited.is_changed:
            self.prompt.put(edited.text)
        self.prompt.focus()

    def remember_prompt(self, text: str) -> None:
        """Keep a prompt that is sent, and begin with a new draft."""
        self.begin_draft()
        self.keep_prompt(text)

    def begin_draft(self) -> None:
        """What stands in the prompt is done with: what comes is a new draft."""
        self._older, self._place, self._written = (), DRAFT, None

    def keep_prompt(self, text: str) -> None:
        """Keep a prompt among the older ones."""
        try:
            self._session.store.history.add_prompt(text)
        except YurenError as error:
            self.complain(error)

    def _read_older(self) -> None:
        if self._place != DRAFT:
            return
        try:
            self._older = tuple(self._session.store.history.prompts(limit=_MOST))
        except YurenError as error:
            self.complain(error)

    def _go(self, place: int) -> None:
        written = self._written = self._written or {}
        written[self._place] = self.prompt.text
        self._place = place
        sent = self._older[place] if place >= 0 else ""
        self.prompt.text = written.get(place, sent)
        self.prompt.move_cursor(self.prompt.document.end)
