# SPDX-License-Identifier: Apache-2.0
"""Look at one picture large, as well as this terminal can draw it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Footer, Static

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.sanitize import sanitize, sanitize_line
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.settings.values import Images
from yuren_tui.terminal.graphics import find_graphics
from yuren_tui.terminal.questions import Questions
from yuren_tui.widgets.large_picture import LargePicture
from yuren_tui.widgets.picture import shown_name

if TYPE_CHECKING:
    from yuren_core.images import ImageInfo


class PictureScreen(TranslatedModal[None]):
    """The large view; Esc closes it.

    Args:
        path: the picture's file.
        called: what its file was called where the person had it; empty where that is not known.
        images: how the person wants pictures drawn.
        questions: from `commits.install`, to ask the terminal; None where that cannot be.
        environment: the variables; the process's own where it is None.
        write: writes to the terminal; the app's driver does where it is None.
    """

    CSS_PATH = "picture.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("z,enter,space", "zoom", "picture.zoom", show=True),
    ]

    @dataclass
    class _Described(Message):
        """What is known of the file."""

        info: ImageInfo

    def __init__(
        self,
        path: str | Path,
        *,
        called: str = "",
        images: Images = "auto",
        questions: Questions | None = None,
        environment: Mapping[str, str] | None = None,
        write: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._path = str(path)
        self._called = called
        self._images = images
        self._questions = questions
        self._environment = os.environ if environment is None else environment
        self._given_write = write
        self._info: ImageInfo | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="panel") as panel:
            panel.border_title = Content(self._title)
            yield LargePicture(self._path, write=self._write, id="large")
            yield Static("", id="about", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.picture.focus()
        self._look()
        self._describe()

    @on(LargePicture.Unreadable)
    def _unreadable(self, event: LargePicture.Unreadable) -> None:
        event.stop()
        self._complain(event.error)

    @on(_Described)
    def _described(self, event: _Described) -> None:
        event.stop()
        self._info = event.info
        self._tell()

    @on(LargePicture.Drawn)
    def _drawn(self, event: LargePicture.Drawn) -> None:
        event.stop()
        self._tell()

    def action_zoom(self) -> None:
        """Fill the room, or show a pixel for a pixel."""
        self.picture.zoom = "actual" if self.picture.zoom == "fit" else "fit"
        self._tell()

    @property
    def picture(self) -> LargePicture:
        """The picture."""
        return self.query_one(LargePicture)

    @property
    def _title(self) -> str:
        """The file's name; one in the store is named by its hash, which says nothing."""
        is_own = shown_name(self._path) != ""
        name = Path(self._path).name if is_own else self._called
        return sanitize_line(name, limit=60) or tr("terminal.picture")

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        self.picture.graphics = await find_graphics(
            self._images,
            environment=self._environment,
            questions=self._questions,
            write=self._write,
        )
        self._tell()

    @work(thread=True, exclusive=True, group="describe")
    def _describe(self) -> None:
        from yuren_core.images import inspect_image

        try:
            info = inspect_image(self._path)
        except YurenError as error:
            self.post_message(LargePicture.Unreadable(error))
        else:
            self.post_message(self._Described(info))

    def _tell(self) -> None:
        info, graphics = self._info, self.picture.graphics
        if info is None or graphics is None:
            return
        words = [
            f"{info.width} × {info.height}",
            info.format,
            f"{info.size_bytes / 1024:.0f} KiB",
            tr(f"terminal.protocol_{graphics.protocol}"),
        ]
        if graphics.protocol != "off":
            words.append(tr(f"terminal.zoom_{self.picture.zoom}"))
        self.query_one("#about", Static).update(Content("  ·  ".join(words)))

    def _complain(self, error: YurenError) -> None:
        self.query_one("#about", Static).update(Content(sanitize(str(error))))

    def _write(self, sequences: str) -> None:
        if self._given_write is not None:
            self._given_write(sequences)
        elif (driver := self.app._driver) is not None:
            driver.write(sequences)
