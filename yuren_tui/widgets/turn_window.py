# SPDX-License-Identifier: Apache-2.0
"""A window on a long conversation: only some of its messages are mounted, and nobody notices.

Which are mounted is a slice of the views given to `show`. Scrolling towards an end of the slice
moves it. While the newest line is not followed, the first message in sight holds its place on the
screen through every change of the layout above it: messages that come or go, pictures that load, a
terminal that is resized.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from yuren_tui.widgets.turn_slice import TurnSlice
from yuren_tui.widgets.turn_view import TurnView

if TYPE_CHECKING:  # they bring Markdown and its parser, which the first frame does not need
    from textual.layout import DockArrangeResult

    from yuren_tui.widgets.messages import TurnMessage

_OPENING = 12  # messages that are mounted at first
_STEP = 8  # and with each move of the slice
_FEWEST = 4  # that stay mounted at the end of a conversation,
_SCREENS = 2.5  # and how much they must fill
_OVERLAP = 2  # lines of a page that stay; the way to the newest line may cover the lowest


@dataclass(frozen=True, slots=True)
class _Held:
    """Which message keeps its place: `lines` below the top of what is seen, or a share of it."""

    message: TurnMessage
    lines: int = 0
    share: float | None = None


class TurnWindow(TurnSlice, inherit_bindings=False):
    """The scrolling part of the transcript.

    Args:
        column: as `TurnSlice`.
        most: messages that are mounted at most, but for an answer that is being written.
    """

    @dataclass
    class Followed(Message):
        """The transcript was scrolled or has changed: whether its newest line is in sight."""

        is_at_end: bool

    def __init__(self, column: Vertical, *, most: int = 100, id: str | None = None) -> None:  # noqa: A002
        super().__init__(column, id=id)
        self.most = most
        self._held: _Held | None = None
        self._changing = asyncio.Lock()

    def on_mount(self) -> None:
        self.anchor()

    # ------------------------------------------------------------ what is shown

    async def show(
        self, views: Sequence[TurnView], *, swapped: tuple[int, int] | None = None
    ) -> None:
        """Show another path, or the same one changed; what is in both stays as it stands.

        Args:
            views: the whole path.
            swapped: a message that goes and the one that comes to stand where it stood.
        """
        async with self._change():
            old = self.message(swapped[0]) if swapped else None
            lines = old.virtual_region.y - round(self._top) if old else 0
            had_end = self._end == len(self._views)
            ids = {view.id: place for place, view in enumerate(views)}
            kept = [ids[view.id] for view in self.mounted if view.id in ids]
            count = len(views)
            if not kept:
                start, end = max(0, count - _OPENING), count
            elif had_end:
                start, end = kept[0], count
            else:
                start, end = kept[0], min(count, kept[-1] + 1 + _STEP)
                end = max(kept[-1] + 1, min(end, start + self.most))  # what is above is in sight
            most = self._tail if self.is_following else self.most
            self._views = tuple(views)
            await self._mount_slice(max(start, end - most), end)
            if old and swapped and (new := self.message(swapped[1])):
                self._anchor_released = True
                self._held = _Held(new, lines)

    async def reveal(self, place: int) -> None:
        """Have a message mounted, and those around it."""
        async with self._change():
            if not self._start <= place < self._end:
                end = min(len(self._views), place + _OPENING)
                await self._mount_slice(max(0, min(place - _STEP, end - _OPENING)), end)

    async def to_end(self) -> None:
        """Go to the newest line and follow it."""
        async with self._change():
            end = len(self._views)
            start = self._start if self._end == end else end
            await self._mount_slice(max(0, min(start, end - _OPENING), end - self._tail), end)
        self.anchor()
        self._anchor_released = False

    def page(self, step: int) -> None:
        """Scroll by `step` pages, at once: Textual scrolls after the next layout, to where the line
        would be had nothing come above it."""
        lines = step * max(1, self.size.height - _OVERLAP)
        self.scroll_to(y=self.scroll_y + lines, animate=False, immediate=True)

    @property
    def _tail(self) -> int:
        """Messages that stay mounted while the newest line is followed: enough for some screens,
        and few, since every layout costs what is mounted."""
        lines = 0
        for count, message in enumerate(reversed(self._standing), 1):
            lines += message.virtual_region.height
            if count >= _FEWEST and lines > _SCREENS * self.size.height:
                return min(count, self.most)
        return min(self.most, max(_OPENING, self.size.height))

    # ------------------------------------------------------------ the place on the screen

    @property
    def is_following(self) -> bool:
        """Whether the newest line is kept in sight."""
        return self._anchored and not self._anchor_released and self._end == len(self._views)

    @property
    def place(self) -> float | None:
        """Where one reads: the number of the first message in sight, and how much of it is above,
        as a fraction; the same at every width. None at the end."""
        held = self._first_in_sight()
        if self.is_following or held is None or self.scroll_y >= self.max_scroll_y:
            return None
        number = self.place_of(held.message.turn_id) or 0
        height = max(1, held.message.virtual_region.height)
        return number + min(0.999, max(0.0, -held.lines / height))

    async def go_to(self, place: float | None) -> None:
        """Go to where one read."""
        if place is None or not self._views:
            await self.to_end()
            return
        number = min(int(place), len(self._views) - 1)
        await self.reveal(number)
        if (message := self.message(self._views[number].id)) is not None:
            self._anchor_released = True
            self._held = _Held(message, share=place - int(place))
            self.refresh(layout=True)

    def arrange(self, size: Size, optimal: bool = False) -> DockArrangeResult:
        """As any widget does, and before anything is drawn, the message that holds its place is
        scrolled back to it, and all messages learn whether they are near what is seen."""
        result = super().arrange(size, optimal)
        column = next((p for p in result.placements if p.widget is self._column), None)
        if optimal or column is None:
            return result
        inner = self._column.arrange(column.region.size)
        regions = {p.widget: p.region for p in inner.placements}
        end, held = max(0, column.region.height - size.height), self._held
        top = self.scroll_y
        if not self._anchor_released:
            top = end
        elif held is not None and held.message in regions:
            region = regions[held.message]
            lines = held.lines if held.share is None else -round(held.share * region.height)
            top = max(0, min(region.y - lines, end))
            self._jump(top)
        margin = size.height // 2
        for message in self._messages.values():
            if (place := regions.get(message)) is not None:
                message.is_near = (
                    place.bottom > top - margin and place.y < top + size.height + margin
                )
        return result

    def _check_anchor(self) -> None:
        """As any widget does at its end; the end of the slice is none."""
        if self._end == len(self._views):
            super()._check_anchor()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._held = self._first_in_sight()
        self._tell()

    def watch_virtual_size(self) -> None:
        self.call_after_refresh(self._tell)

    def on_resize(self) -> None:
        self.call_after_refresh(self._tell)

    # ------------------------------------------------------------ private

    def _jump(self, y: float) -> None:
        """Scroll in the midst of a layout; as Textual's compositor does for an anchor."""
        if y != self.scroll_y:
            self.set_reactive(Widget.scroll_y, y)
            self.set_reactive(Widget.scroll_target_y, y)
            setattr(self.vertical_scrollbar, "_reactive_position", y)  # noqa: B010

    @property
    def _top(self) -> float:
        """The first line in sight, counted in the column."""
        return self.scroll_y - self._column.virtual_region.y

    def _first_in_sight(self) -> _Held | None:
        top = self._top
        for message in self._standing:
            if message.virtual_region.bottom > top and message.virtual_region.height:
                return _Held(message, message.virtual_region.y - round(top))
        return None

    def _tell(self) -> None:
        # In the midst of a layout, Textual's anchor may aim above the top.
        target = max(0.0, self.scroll_target_y)
        at_end = target >= self.max_scroll_y - 1 and self._end == len(self._views)
        self.post_message(self.Followed(at_end))
        if self._changing.locked() or not self.size.height:
            return
        if self._start > 0 and self.scroll_target_y < self.size.height:
            self.run_worker(self._move(-1), group="window")
        elif (
            self._end < len(self._views)
            and self.scroll_target_y > self.max_scroll_y - self.size.height
        ):
            self.run_worker(self._move(1), group="window")

    async def _move(self, step: int) -> None:
        """Move the slice towards an end, and take out what is far from it at the other."""
        if self._changing.locked():
            return
        async with self._change():
            start, end, count = self._start, self._end, len(self._views)
            if step < 0:
                start = max(0, start - _STEP)
                if not count or self._views[-1].ending is not None:
                    end = min(end, start + self.most)
            else:
                end = min(count, end + _STEP)
                start = max(start, end - self.most)
            await self._mount_slice(start, end)

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[None]:
        """Change the slice, one at a time; what was told on the way is of half a change."""
        async with self._changing:
            yield
        self.call_after_refresh(self._tell)
