# SPDX-License-Identifier: Apache-2.0
"""Of a long conversation's messages, those that are mounted: a slice of the views, as widgets.

A message that stays in the slice is never taken out and put back; one that comes is drawn before
anything that goes is taken out.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from itertools import groupby
from typing import TYPE_CHECKING

from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget

from yuren_tui.widgets.turn_view import TurnView

if TYPE_CHECKING:  # it brings Markdown and its parser, which the first frame does not need
    from yuren_tui.widgets.messages import TurnMessage


class TurnSlice(VerticalScroll, inherit_bindings=False):
    """The widgets of some messages, one below the other.

    Args:
        column: what they are mounted in.
    """

    def __init__(self, column: Vertical, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(column, id=id)
        self.waiting = ""
        self._column = column
        self._views: tuple[TurnView, ...] = ()
        self._start = 0
        self._end = 0
        self._messages: dict[int, TurnMessage] = {}
        self._order: list[int] = []

    @property
    def views(self) -> tuple[TurnView, ...]:
        """All messages, mounted or not."""
        return self._views

    @property
    def mounted(self) -> tuple[TurnView, ...]:
        """Those that are mounted."""
        return self._views[self._start : self._end]

    @property
    def _standing(self) -> list[TurnMessage]:
        """The widgets in order; in the midst of a change, those that are neither new nor gone."""
        return [self._messages[i] for i in self._order if i in self._messages]

    def message(self, turn_id: int) -> TurnMessage | None:
        """The widget of a message; None while it is not mounted."""
        return self._messages.get(turn_id)

    def place_of(self, turn_id: int | None) -> int | None:
        """Where a message stands in the conversation; None where it is not in it."""
        return next((i for i, view in enumerate(self._views) if view.id == turn_id), None)

    async def _mount_slice(self, start: int, end: int) -> None:
        """Have exactly these views mounted; one change at a time."""
        from yuren_tui.widgets.messages import AssistantMessage, UserMessage

        def make(view: TurnView) -> TurnMessage:
            return UserMessage(view) if view.is_user else AssistantMessage(view, self.waiting)

        views = self._views[start:end]
        wanted = {view.id for view in views}
        kept = sum(view.id in self._messages for view in views)
        is_longer = all(view.id in self._messages for view in views[:kept])
        is_shorter = all(i not in wanted for i in self._order[: len(self._order) - kept])
        # What only comes below and goes above may be seen on its way. All else has no place in the
        # layout before its words are there, and then comes at once: one may scroll meanwhile.
        is_seen = bool(kept) and is_longer and is_shorter
        gone = [self._messages.pop(i) for i in [*self._messages] if i not in wanted]
        before: Widget | None = None
        fresh: list[TurnMessage] = []
        groups = groupby(reversed(views), key=lambda view: view.id in self._messages)
        for is_mounted, group in groups:
            if is_mounted:
                for view in group:
                    before = self._messages[view.id]
                    self._messages[view.id].view = view
                continue
            new = [make(view) for view in reversed([*group])]
            self._messages |= {message.view.id: message for message in new}
            for message in new:
                message.display = is_seen
            await self._column.mount(*new, before=before)
            fresh += new
            before = new[0]
        await asyncio.gather(*(message.draw() for message in fresh))
        with nullcontext() if is_seen else self.app.batch_update():
            for message in fresh:
                message.display = True
            self._start, self._end = start, end
            self._order = [view.id for view in views]
            if gone:
                await asyncio.gather(*(message.remove() for message in gone))
