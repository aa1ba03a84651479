# SPDX-License-Identifier: Apache-2.0
"""Pictures from elsewhere than the disk, and a picture looked at large."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import BindingType

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart
from yuren_tui.attaching import read_pictures
from yuren_tui.bindings import bind
from yuren_tui.screens.chat_memory import MemoryScreen
from yuren_tui.widgets.picture import PictureWanted

if TYPE_CHECKING:
    from yuren_tui.settings.values import Images
    from yuren_tui.terminal.questions import Questions


class AttachScreen(MemoryScreen):
    """The part of the chat that gets pictures and shows them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("alt+v,f11", "paste_picture", "chat.paste_picture"),
        bind("alt+o", "look", "chat.look"),
    ]

    images: Images = "auto"
    """How large pictures are drawn."""
    questions: Questions | None = None
    """Asks the terminal; None where that cannot be."""

    def add_pictures(self, parts: Sequence[ImagePart]) -> None:
        """Put pictures above the prompt; those that are there already stay as they are."""
        self.name_pictures(parts)
        bar = self.pictures
        bar.pictures = (*bar.pictures, *(part for part in parts if part not in bar.pictures))
        if parts:
            self.warn_of_blindness()

    @work(group="attach")
    async def attach_typed(self, text: str, paths: Sequence[Path]) -> None:
        """Attach pictures whose paths stand in the prompt; they stay there where one is refused.

        Args:
            text: the prompt's, as it was submitted.
            paths: what it names.
        """
        parts, errors = await read_pictures(paths)
        for error in errors:
            self.complain(error)
        if errors:
            return
        self.add_pictures(parts)
        if self.prompt.text == text:
            self.prompt.clear()

    @on(PictureWanted)
    def _picture_wanted(self, event: PictureWanted) -> None:
        event.stop()
        self.look_at(event.picture)

    @work(group="paste", exclusive=True)
    async def action_paste_picture(self) -> None:
        """Attach what the clipboard holds."""
        from yuren_core.images import image_part
        from yuren_tui.clipboard import pictures_from_clipboard

        try:
            parts = await pictures_from_clipboard(image_part, environment=os.environ)
        except YurenError as error:
            self.complain(error)
        else:
            self.add_pictures(parts)

    def action_look(self) -> None:
        """Look at a picture large: an attached one, else the last of the conversation."""
        current = self.transcript.turns.current
        here = [
            image for turn in self._session.turns if turn.id == current for image in turn.images
        ]
        before = [image for turn in self._session.turns for image in turn.images]
        shown = (here if self.transcript.turns.has_focus else ()) or self.pictures.pictures
        shown = shown or before[-1:]
        if shown:
            self.look_at(shown[0])
        else:
            self.say(tr("chat.no_picture"))

    def look_at(self, picture: ImagePart) -> None:
        """Show a picture as large as the terminal can."""
        from yuren_tui.screens.picture import PictureScreen

        screen = PictureScreen(
            picture.path,
            called=self._picture_names.get(picture.sha256, ""),
            images=self.images,
            questions=self.questions,
        )
        self.app.push_screen(screen)

    @work(group="url", exclusive=True)
    async def attach_url(self, url: str) -> None:
        """Attach a picture from the web, after showing where it leads."""
        try:
            parts = await self._fetched(url)
        except YurenError as error:
            self.complain(error)
        else:
            self.add_pictures(parts)

    async def _fetched(self, url: str) -> list[ImagePart]:
        from yuren_tui.screens.confirm_url import ConfirmUrl
        from yuren_tui.url_picture import look, take

        self.say(tr("url.looking"))
        lead = await asyncio.to_thread(look, url)
        if not await self.app.push_screen_wait(ConfirmUrl(lead)):
            return []
        self.say(tr("url.fetching", host=lead.host))

        data, name = await asyncio.to_thread(take, lead)
        return [self._session.store.pictures.keep_bytes(data, name=name)]
