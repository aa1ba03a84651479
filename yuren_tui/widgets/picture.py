# SPDX-License-Identifier: Apache-2.0
"""Attached pictures: a thumbnail, and the chip that carries it with its name and its cost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import HorizontalGroup, VerticalGroup
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart
from yuren_tui.bindings import bind
from yuren_tui.sanitize import sanitize_line

NAME_LIMIT = 28
_HASH = re.compile(r"[0-9a-f]{64}\b")


def shown_name(path: str) -> str:
    """A file's name as it may be shown; one out of the store has none but its hash."""
    name = Path(path).name
    return "" if _HASH.match(name) else sanitize_line(name, limit=NAME_LIMIT)


class ThumbnailView(Widget):
    """A picture in half blocks, read in a thread; empty until it is there.

    Args:
        path: the picture's file; empty for none.
        columns: most cells across.
        rows: most cells down.
    """

    DEFAULT_CSS = "ThumbnailView { width: auto; height: auto; }"

    path: reactive[str] = reactive("", init=False)
    _lines: reactive[list[Strip]] = reactive(list, layout=True, init=False)

    def __init__(self, path: str = "", *, columns: int, rows: int) -> None:
        super().__init__()
        self._columns = columns
        self._rows = rows
        self.set_reactive(ThumbnailView.path, path)

    def on_mount(self) -> None:
        if self.path:
            self._read(self.path)

    def watch_path(self, path: str) -> None:
        if path:
            self._read(path)
        else:
            self._lines = []

    def get_content_width(self, container: object, viewport: object) -> int:
        return self._lines[0].cell_length if self._lines else 0

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        return self._lines[y] if y < len(self._lines) else Strip.blank(self.size.width)

    @work(thread=True, exclusive=True, group="thumbnail", exit_on_error=False)
    def _read(self, path: str) -> None:
        from yuren_tui.thumbnails import strips, thumbnail

        try:
            lines = strips(thumbnail(path, self._columns, self._rows))
        except YurenError:
            lines = []  # whoever attached it says what is wrong with it
        self.app.call_from_thread(self._show, path, lines)

    def _show(self, path: str, lines: list[Strip]) -> None:
        if path == self.path:
            self._lines = lines


@dataclass
class PictureWanted(Message):
    """A picture is to be looked at large."""

    picture: ImagePart


class PictureChip(HorizontalGroup, can_focus=True):
    """One attached picture above the prompt; Delete or the cross takes it away again.

    Args:
        picture: which.
        cost: its tokens in the prompt; None while no model is loaded.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("delete,backspace,x", "remove", "chip.remove", show=True),
        bind("enter,space", "look", "chip.look", show=True),
        bind("right", "app.focus_next", "chip.next"),
        bind("left", "app.focus_previous", "chip.previous"),
    ]

    @dataclass
    class Removed(Message):
        """The person takes the picture away."""

        chip: PictureChip

    cost: reactive[int | None] = reactive(None, init=False)

    def __init__(self, picture: ImagePart, cost: int | None) -> None:
        super().__init__()
        self.picture = picture
        self.set_reactive(PictureChip.cost, cost)

    def compose(self) -> ComposeResult:
        yield ThumbnailView(self.picture.path, columns=8, rows=3)
        with VerticalGroup(classes="caption"):
            yield Static(Content(shown_name(self.picture.path)), classes="name")
            yield Static(Content(_cost(self.cost)), classes="cost")
        yield RemoveCross()

    def watch_cost(self, cost: int | None) -> None:
        for shown in self.query(".cost").results(Static):  # none before it is composed
            shown.update(Content(_cost(cost)))

    @on(events.Click, "RemoveCross")
    def _cross_clicked(self, event: events.Click) -> None:
        event.stop()
        self.action_remove()

    @on(events.Click, "ThumbnailView")
    def _picture_clicked(self, event: events.Click) -> None:
        event.stop()
        self.action_look()

    def action_remove(self) -> None:
        """Take the picture away."""
        self.post_message(self.Removed(self))

    def action_look(self) -> None:
        """Look at it large."""
        self.post_message(PictureWanted(self.picture))


class RemoveCross(Static):
    """The cross on a chip."""

    def __init__(self) -> None:
        super().__init__(Content("✕"))
        self.tooltip = Content(tr("chat.remove_picture"))


class SentPicture(VerticalGroup):
    """A picture in the transcript: thumbnail, name, cost."""

    cost: reactive[int | None] = reactive(None, init=False)

    def __init__(self, picture: ImagePart, cost: int | None, name: str = "") -> None:
        super().__init__()
        self._picture = picture
        self._file_name = name or shown_name(picture.path)
        self.set_reactive(SentPicture.cost, cost)

    def compose(self) -> ComposeResult:
        yield ThumbnailView(self._picture.path, columns=24, rows=8)
        yield Static(Content(self._words), classes="name")

    def watch_cost(self) -> None:
        for shown in self.query(".name").results(Static):  # none before it is composed
            shown.update(Content(self._words))

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(PictureWanted(self._picture))

    @property
    def _words(self) -> str:
        return " · ".join(filter(None, (self._file_name, _cost(self.cost))))


class PictureBar(HorizontalGroup):
    """The chips above the prompt; hidden where there are none."""

    class Changed(Message):
        """A picture was attached or taken away."""

    pictures: reactive[tuple[ImagePart, ...]] = reactive((), recompose=True)
    cost: reactive[int | None] = reactive(None)

    def compose(self) -> ComposeResult:
        for picture in self.pictures:
            yield PictureChip(picture, self.cost)

    def watch_pictures(self, pictures: tuple[ImagePart, ...]) -> None:
        self.display = bool(pictures)
        self.post_message(self.Changed())

    def watch_cost(self, cost: int | None) -> None:
        for chip in self.query(PictureChip):
            chip.cost = cost


def _cost(tokens: int | None) -> str:
    if tokens is None:
        return ""
    return tr("chat.picture_cost", tokens=tokens) if tokens else tr("chat.picture_blind")
