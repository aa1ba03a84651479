# SPDX-License-Identifier: Apache-2.0
"""The chat's path and its answers on the screen: what the session has is what is shown.

After every change `show_turns` is called, and only what differs is drawn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from textual import work

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_core.protocol import Completed, Delta, Event, Exited, Failed, Ready
from yuren_core.protocol import Prompt as PromptRead
from yuren_tui.screens.chat_model import ModelScreen
from yuren_tui.screens.turn_views import turn_view
from yuren_tui.session import ModelChoice, Session, Turn

if TYPE_CHECKING:
    from yuren_tui.store import Deletion


class AnswersScreen(ModelScreen):
    """The part of the chat that draws turns and lets answers grow."""

    def __init__(self, session: Session, choice: ModelChoice | None) -> None:
        super().__init__(session, choice)
        self._edited: set[int] = set()
        self._picture_names: dict[str, str] = {}
        self._deletions: list[Deletion] = []

    def keep_names(self) -> None:
        """Keep what the pictures that were just sent are called; `chat_editing` does."""

    async def show_turns(self, *, swapped: tuple[int, int] | None = None) -> None:
        """Bring the transcript up to date with the session."""
        session = self._session
        ready = session.model.ready
        views, asked = [], False
        for place, turn in enumerate(session.turns):
            asked = asked or turn.role is Role.USER
            views.append(
                turn_view(
                    turn,
                    user_name=session.profile.user_name,
                    model_name=self._model_name,
                    picture_cost=ready.image_tokens if ready else None,
                    picture_names=self._picture_names,
                    edited=self._edited,
                    is_answering=session.is_answering,
                    is_answer=asked,
                    avatar="" if place else self._avatar_of(turn),
                )
            )
        self.transcript.turns.waiting = self._waiting()
        await self.transcript.show(views, swapped=swapped)
        self.transcript.turns.can_undo = bool(self._deletions) and not session.is_answering

    def _avatar_of(self, greeting: Turn) -> str:
        """The picture of the character that speaks first; empty for none."""
        chat = self._session.chat
        is_theirs = greeting.role is Role.ASSISTANT and greeting.speaker == chat.speaker != ""
        return str(chat.preset.avatar) if is_theirs and chat.preset.avatar else ""

    async def show_branch(self, turn: Turn | None) -> None:
        """Show the path again, which has changed.

        Args:
            turn: what to look at; None for the end.
        """
        await self.show_turns()
        if turn is None:
            await self.transcript.turns.to_end()
        else:
            await self.transcript.turns.go(turn.id)

    # ------------------------------------------------------------ answers

    async def show_answer(self, events: AsyncGenerator[Event, None]) -> bool:
        """Ask, and draw the answer that grows.

        Args:
            events: of `Session.send` and its like; nothing has been asked yet.

        Returns:
            Whether the answer stands; False where it was taken back.

        Raises:
            YurenError: the session refuses.
        """
        event: Event | None = None
        turns = self.transcript.turns
        before = turns.current
        async with aclosing(events):
            first = asyncio.ensure_future(anext(events, None))
            try:
                await asyncio.sleep(0)  # the session now has the turns, or has refused
                if first.done() and (refused := first.exception()):
                    raise refused
                answer = self._session.turns[-1]
                self.keep_names()
                await self.show_turns()
                await turns.to_end()
                turns.current = answer.id
                self.refresh_bindings()
                following = await first
            finally:
                if not first.done():
                    first.cancel()
                    await asyncio.wait([first])
            while following is not None:
                event = following
                self._show_event(answer.id, event)
                if isinstance(event, Ready):
                    await self.show_turns()
                following = await anext(events, None)
        stands = any(turn.id == answer.id for turn in self._session.turns)
        await self._end_answer(event, stands=stands)
        if not stands and before is not None:
            await turns.go(before)
        return stands

    async def _end_answer(self, event: Event | None, *, stands: bool) -> None:
        await self.show_turns()
        self.refresh_bindings()
        self.show_status()
        match event:
            case Completed():
                self._care.forgive()
                if not stands:
                    self.say(tr("chat.nothing_to_add"))
            case Failed():
                self.say(event.message, event.hint, severity="error")
            case Exited():
                self.mourn(event)
            case _:
                pass

    def _show_event(self, turn_id: int, event: Event) -> None:
        from yuren_tui.widgets.messages import AssistantMessage

        message = self.transcript.message(turn_id)
        if isinstance(event, Delta):
            if isinstance(message, AssistantMessage):
                message.append(event.text)
            return
        if isinstance(event, PromptRead) and event.dropped_turns:
            self.say(tr("chat.dropped", count=event.dropped_turns), severity="warning")
        if isinstance(message, AssistantMessage):
            message.waiting = self._waiting()
        self.show_status()

    @work(group="answer")
    async def answer(self, events: AsyncGenerator[Event, None]) -> None:
        """Ask in the background; what is refused is said."""
        try:
            await self.show_answer(events)
        except YurenError as error:
            self.complain(error)
            await self.show_turns()
            self.show_status()
