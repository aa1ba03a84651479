# SPDX-License-Identifier: Apache-2.0
"""One picture as large as there is room, or pixel for pixel, to be scrolled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from textual import events, on, work
from textual.binding import BindingType
from textual.containers import ScrollableContainer
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from yuren_core.errors import YurenError
from yuren_tui.bindings import bind
from yuren_tui.terminal.graphics import Graphics
from yuren_tui.widgets.picture import ThumbnailView

if TYPE_CHECKING:
    from PIL import Image

Zoom: TypeAlias = Literal["fit", "actual"]

_MOST_BLOCKS = (400, 200)  # cells of half blocks; more is slow to draw and no clearer
_MOST_CELLS = (297, 297)  # of pixels: what kitty's placeholders can count


class LargePicture(ScrollableContainer, inherit_bindings=False):
    """The picture.

    Args:
        path: its file.
        write: writes to the terminal, in order with what Textual draws.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("up,k", "scroll_up", "picture.up"),
        bind("down,j", "scroll_down", "picture.down"),
        bind("left,h", "scroll_left", "picture.left"),
        bind("right,l", "scroll_right", "picture.right"),
        bind("pageup", "page_up", "picture.page_up"),
        bind("pagedown", "page_down", "picture.page_down"),
        bind("home", "scroll_home", "picture.home"),
        bind("end", "scroll_end", "picture.end"),
    ]
    DEFAULT_CSS = "LargePicture { align: center middle; }"

    graphics: reactive[Graphics | None] = reactive[Graphics | None](None, init=False)
    zoom: reactive[Zoom] = reactive[Zoom]("fit", init=False)

    @dataclass
    class Unreadable(Message):
        """The file cannot be shown."""

        error: YurenError

    @dataclass
    class Drawn(Message):
        """The picture is there, so many cells across and down."""

        columns: int
        rows: int

    @dataclass
    class _Scaled(Message):
        """The picture has been read, in the size that it is to be shown in."""

        picture: Image.Image
        graphics: Graphics
        columns: int
        rows: int

    def __init__(self, path: str, *, write: Callable[[str], None], id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._path = path
        self._write = write
        self._picture: Image.Image | None = None
        self._drawn: tuple[object, ...] = ()
        self._shown: Widget | None = None

    def on_unmount(self) -> None:
        self._free()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def watch_graphics(self) -> None:
        self._draw()

    def watch_zoom(self) -> None:
        self._draw()

    def _draw(self) -> None:
        graphics, room = self.graphics, self.container_size
        if graphics is None or graphics.protocol == "off" or not room.area:
            return
        wanted = (graphics, self.zoom, room)
        if wanted != self._drawn:
            self._drawn = wanted
            self._read(graphics, self.zoom, (room.width, room.height))

    @work(thread=True, exclusive=True, group="picture", exit_on_error=False)
    def _read(self, graphics: Graphics, zoom: Zoom, room: tuple[int, int]) -> None:
        from yuren_core.images import open_rgb

        try:
            picture = self._picture or open_rgb(self._path)
        except YurenError as error:
            self.post_message(self.Unreadable(error))
            return
        self._picture = picture
        columns, rows = cells_for(picture.size, graphics, zoom, room)
        if graphics.protocol != "halfblock":
            width, height = graphics.cell
            picture = picture.resize((columns * width, rows * height), reducing_gap=2.0)
        self.post_message(self._Scaled(picture, graphics, columns, rows))

    @on(_Scaled)
    async def _show(self, event: _Scaled) -> None:
        event.stop()
        picture, graphics, columns, rows = event.picture, event.graphics, event.columns, event.rows
        widget: Widget
        if graphics.protocol in ("sixel", "kitty"):
            from yuren_tui.widgets.pixel_picture import pixel_picture

            kind: Literal["sixel", "kitty"] = "sixel" if graphics.protocol == "sixel" else "kitty"
            widget = pixel_picture(picture, protocol=kind, cell=graphics.cell, write=self._write)
            widget.styles.width, widget.styles.height = columns, rows
        else:
            widget = ThumbnailView(self._path, columns=columns, rows=rows)
        self._free()
        self._shown = widget
        await self.remove_children()
        await self.mount(widget)
        self.post_message(self.Drawn(columns, rows))

    def _free(self) -> None:
        """Let the terminal forget what was shown."""
        shown, self._shown = self._shown, None
        if shown is not None and not isinstance(shown, ThumbnailView):
            from yuren_tui.widgets.pixel_picture import free

            free(shown)


def cells_for(
    size: tuple[int, int], graphics: Graphics, zoom: Zoom, room: tuple[int, int]
) -> tuple[int, int]:
    """How many cells a picture takes.

    Args:
        size: of the picture, in pixels.
        graphics: a half block is one pixel across and half a cell down.
        zoom: "fit" fills the room one way; "actual" is a pixel for a pixel.
        room: cells across and down.

    Returns:
        Cells across and down, at least one each.
    """
    is_blocks = graphics.protocol == "halfblock"
    width, height = (1, 2) if is_blocks else graphics.cell
    columns, rows = size[0] / width, size[1] / height
    most = _MOST_BLOCKS if is_blocks else _MOST_CELLS
    least = min(most[0] / columns, most[1] / rows)
    scale = min(room[0] / columns, room[1] / rows) if zoom == "fit" else 1.0
    scale = min(scale, least)
    return max(1, round(columns * scale)), max(1, round(rows * scale))
