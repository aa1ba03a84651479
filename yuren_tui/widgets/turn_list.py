# SPDX-License-Identifier: Apache-2.0
"""The conversation under the keys: one message is current, and single keys act on it.

What a key means is the screen's to carry out: this says which act is wanted of which message.
A character that no binding knows is meant for the prompt, and so is all that follows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from textual import events, on
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from yuren_tui.bindings import bind
from yuren_tui.widgets.turn_view import Act, TurnView
from yuren_tui.widgets.turn_window import TurnWindow

ACT_BINDINGS: list[BindingType] = [
    bind("enter", "want('menu')", "turns.menu", show=True),
    bind("left,h", "want('previous')", "turns.previous"),
    bind("right,l", "want('next')", "turns.next"),
    bind("s", "want('resend')", "turns.resend", show=True),
    bind("e", "want('edit')", "turns.edit", show=True),
    bind("r", "want('retry')", "turns.retry", show=True),
    bind("c", "want('continue')", "turns.continue"),
    bind("y", "want('copy')", "turns.copy", show=True),
    bind("b", "want('code')", "turns.code"),
    bind("q", "want('quote')", "turns.quote"),
    bind("p", "want('pin')", "turns.pin"),
    bind("d,delete", "want('delete')", "turns.delete"),
    bind("u", "want('undo')", "turns.undo", show=True),
]


_CHANGES_PATH: tuple[Act, ...] = (
    *("previous", "next", "resend", "edit", "retry", "continue", "pin", "delete"),
)
_EXPLAINED: tuple[Act, ...] = ("resend", "retry", "continue", "code")
"""Acts that not every message knows: the screen says why, where one is wanted all the same."""


class TurnList(TurnWindow, inherit_bindings=False):
    """The scrolling part of the transcript, with its current message."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *ACT_BINDINGS,
        bind("up,k", "walk(-1)", "transcript.up"),
        bind("down,j", "walk(1)", "transcript.down"),
        bind("home,g", "first", "transcript.home"),
        bind("end,G", "bottom", "transcript.end"),
        bind("i", "leave", "turns.leave"),
    ]

    @dataclass
    class Wanted(Message):
        """An act is wanted of a message; `view` is None where it is of none in particular."""

        act: Act
        view: TurnView | None

    @dataclass
    class LeaveWanted(Message):
        """The person wants to write, or has begun to with `text`."""

        text: str = ""

    current: reactive[int | None] = reactive(None, init=False)
    can_undo: reactive[bool] = reactive(False, init=False)
    _is_left = False
    """The person has begun to write; keys that were on their way here already are writing too."""

    # ------------------------------------------------------------ handlers

    def on_focus(self) -> None:
        self._is_left = False
        if not self._is_in_sight(self.current):
            self.current = self._last_in_sight()
        self.call_after_refresh(self.refresh_bindings)

    def on_key(self, event: events.Key) -> None:
        """Pass on what is written; before the bindings, which would lose the next character."""
        if event.character and _writes(event) and (self._is_left or not self._is_bound(event.key)):
            event.stop()
            self._is_left = True
            self.post_message(self.LeaveWanted(event.character))
        elif act := self._waits_for_answer(event.key) or self._to_be_explained(event.key):
            event.stop()
            self.action_want(act)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self.post_message(self.LeaveWanted(event.text))

    @on(events.Click)
    def _clicked(self, event: events.Click) -> None:
        from yuren_tui.widgets.messages import TurnMessage

        ancestors = event.widget.ancestors_with_self if event.widget else []
        clicked = next((w for w in ancestors if isinstance(w, TurnMessage)), None)
        if clicked is not None:
            self.current = clicked.view.id

    # ------------------------------------------------------------ actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action != "want":
            return True
        if parameters[0] == "undo":
            return self.can_undo
        view = self.current_view
        return view is not None and parameters[0] in view.acts

    def action_want(self, act: str) -> None:
        """Ask the screen for an act."""
        self.post_message(self.Wanted(cast("Act", act), self.current_view))

    def action_leave(self) -> None:
        """Back to writing."""
        self.post_message(self.LeaveWanted())

    async def action_walk(self, step: int) -> None:
        """To the next message; within one that is longer than the screen, half a screen on."""
        place = self.place_of(self.current)
        message = None if self.current is None else self.message(self.current)
        if place is None or message is None:
            self.current = self._last_in_sight()
            return
        region, height = self._region_of(message), self.size.height
        hidden = region.y - self.scroll_y if step < 0 else region.bottom - self.scroll_y - height
        if hidden * step > 0 and region.height > height:
            self._scroll(self.scroll_y + step * min(abs(hidden), max(1, height // 2)))
        elif 0 <= place + step < len(self.views):
            await self.go(self.views[place + step].id, from_below=step < 0)
        elif step > 0:
            await self.to_end()

    async def action_first(self) -> None:
        """To the first message."""
        if self.views:
            await self.go(self.views[0].id)

    async def action_bottom(self) -> None:
        """To the newest line, and follow it again."""
        await self.to_end()
        if self.views:
            self.current = self.views[-1].id

    async def go(self, turn_id: int, *, from_below: bool = False) -> None:
        """Make a message the current one and bring it into sight.

        Args:
            turn_id: which; nothing happens where it is not in the conversation.
            from_below: of one longer than the screen, show its end rather than its beginning.
        """
        place = self.place_of(turn_id)
        if place is None:
            return
        await self.reveal(place)
        self.current = turn_id
        self.call_after_refresh(self._bring_into_sight, turn_id, from_below)

    # ------------------------------------------------------------ drawing

    @property
    def current_view(self) -> TurnView | None:
        """The current message."""
        place = self.place_of(self.current)
        return None if place is None else self.views[place]

    def watch_current(self) -> None:
        for turn_id, message in self._messages.items():
            message.set_class(turn_id == self.current, "-current")
        self.refresh_bindings()

    def watch_can_undo(self) -> None:
        self.refresh_bindings()

    def mark_current(self) -> None:
        """Mark the current message after others came; to the nearest one where it has gone."""
        if self.current is not None and self.place_of(self.current) is None:
            self.current = self._last_in_sight()
        self.watch_current()

    def _is_bound(self, key: str) -> bool:
        """Whether a key is a command here, be it one that cannot act now."""
        return any(key in bindings.key_to_bindings for _, bindings in self.screen._binding_chain)

    def _waits_for_answer(self, key: str) -> Act | None:
        """What a key would do were no answer being written: the screen says why it is not done."""
        view = self.current_view
        if self._is_left or view is None or self.views[-1].ending is not None:
            return None
        acts = self._bound_acts(key, _CHANGES_PATH)
        return next(
            (act for act in acts if view.count > 1 or act not in ("previous", "next")), None
        )

    def _to_be_explained(self, key: str) -> Act | None:
        """What a key would do to another message, but not to the current one."""
        view = self.current_view
        if self._is_left or view is None:
            return None
        acts = self._bound_acts(key, _EXPLAINED)
        return next((act for act in acts if act not in view.acts), None)

    def _bound_acts(self, key: str, among: Sequence[Act]) -> Iterator[Act]:
        """What a key means here, of these."""
        for node, bindings in self.screen._binding_chain:
            names = [] if node is not self else bindings.key_to_bindings.get(key, [])
            for name in (str(binding.id).removeprefix("turns.") for binding in names):
                yield from (act for act in among if act == name)

    def _region_of(self, message: Widget) -> _Lines:
        top = self._column.virtual_region.y + message.virtual_region.y
        return _Lines(top, message.virtual_region.height)

    def _bring_into_sight(self, turn_id: int, from_below: bool) -> None:
        if (message := self.message(turn_id)) is None:
            return
        region, height = self._region_of(message), self.size.height
        above = region.y - 1  # the blank line before it
        if from_below and region.height >= height:
            self._scroll(region.bottom - height)
        elif above < self.scroll_y or region.height >= height:
            self._scroll(above)
        elif region.bottom >= self.scroll_y + height:
            self._scroll(region.bottom + 1 - height)  # the way to the newest line is below

    def _scroll(self, y: float) -> None:
        self.scroll_to(y=y, animate=False, immediate=True)

    def _is_in_sight(self, turn_id: int | None) -> bool:
        message = None if turn_id is None else self.message(turn_id)
        if message is None:
            return False
        region = self._region_of(message)
        return region.bottom > self.scroll_y and region.y < self.scroll_y + self.size.height

    def _last_in_sight(self) -> int | None:
        bottom = self.scroll_y + self.size.height
        seen = [m.turn_id for m in self._standing if self._region_of(m).y < bottom - 1]
        return seen[-1] if seen else None


def _writes(event: events.Key) -> bool:
    return event.is_printable and not set(event.key.split("+")[:-1]) - {"shift"}


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines of the transcript: from `y`, `height` of them."""

    y: int
    height: int

    @property
    def bottom(self) -> int:
        return self.y + self.height
