# SPDX-License-Identifier: Apache-2.0
"""The preset picker, with all that can be done to presets: make, edit, copy, delete, share.

Ours are never changed: editing one makes it the person's. What cannot be saved after editing is
kept and edited on the next time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

from textual import work
from textual.binding import BindingType

from yuren_core.errors import StorageError, YurenError
from yuren_core.i18n import reason_of, tr
from yuren_core.paths import atomic_write
from yuren_tui.bindings import bind
from yuren_tui.notices import drop_notices
from yuren_tui.presets import DeletedPreset, Preset, PresetLibrary
from yuren_tui.sanitize import sanitize, sanitize_line
from yuren_tui.screens.ask_line import AskLine
from yuren_tui.screens.presets import PresetList

Got = TypeVar("Got")

EXPORT_SUFFIXES = (".toml", ".json", ".png", ".charx")


class EditedText(Protocol):
    """What an external editor gives back."""

    @property
    def text(self) -> str: ...
    @property
    def is_changed(self) -> bool: ...


Edit = Callable[[str, str], Awaitable[EditedText]]
"""Lets the person edit a text; the second argument is the file's suffix."""


class PresetPicker(PresetList):
    """The picker.

    Args:
        library: all presets.
        edit: opens the external editor.
        language: in which presets are shown.
        current: the id of the preset of the chat that is open.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("ctrl+g", "edit", "presets.edit", show=True),
        bind("ctrl+n", "create", "presets.create", show=True),
        bind("ctrl+d", "duplicate", "presets.duplicate", show=True, priority=True),
        bind("f8", "delete", "presets.delete", show=True),
        bind("ctrl+z", "undo", "presets.undo"),
        bind("ctrl+o", "import_file", "presets.import", show=True),
        bind("ctrl+s", "export", "presets.export", show=True),
    ]

    def __init__(
        self, library: PresetLibrary, *, edit: Edit, language: str, current: str = ""
    ) -> None:
        super().__init__(library, language=language, current=current)
        self._edit = edit
        self._kept: dict[str, str] = {}  # texts that were edited and could not be saved, by id
        self._deleted: list[DeletedPreset] = []

    # ------------------------------------------------------------ actions

    @work(group="library", exclusive=True)
    async def action_create(self) -> None:
        """Make a new one, and open it in the editor."""
        name = await self.app.push_screen_wait(
            AskLine(tr("presets_screen.create"), "", hint=tr("presets_screen.create_about"))
        )
        if name:
            preset = await self._try(lambda: self._library.create(name))
            if preset is not None:
                self.reread(preset.id)
                self._say(tr("presets_screen.created", name=name))

    @work(group="library", exclusive=True)
    async def action_edit(self) -> None:
        """Open the highlighted one in the external editor."""
        entry = self.entry
        if entry is None or entry.path is None:
            return
        path = entry.path
        text = await self._try(lambda: _read(path))
        if text is None:
            return
        kept = self._kept.get(entry.id)
        try:
            edited = await self._edit(text if kept is None else kept, ".toml")
            if not edited.is_changed and kept is None:
                return
            self._kept[entry.id] = edited.text
            self._library.check(edited.text, entry.id)
            target = self._library.editable(entry) if isinstance(entry, Preset) else path
            atomic_write(target, edited.text)
        except YurenError as error:
            self._complain(error, tr("presets_screen.kept") if entry.id in self._kept else "")
            return
        del self._kept[entry.id]
        self.reread(entry.id)

    @work(group="library", exclusive=True)
    async def action_duplicate(self) -> None:
        """Make a copy of the person's."""
        entry = self.entry
        if isinstance(entry, Preset):
            copied = await self._try(lambda: self._library.duplicate(entry))
            if copied is not None:
                self.reread(copied.id)

    @work(group="library", exclusive=True)
    async def action_delete(self) -> None:
        """Delete one of the person's; it can be undone."""
        entry = self.entry
        if entry is not None:
            deleted = await self._try(lambda: self._library.delete(entry.id))
            if deleted is not None:
                self._deleted.append(deleted)
                self.reread()
                self._say(tr("presets_screen.deleted", id=entry.id))

    @work(group="library", exclusive=True)
    async def action_undo(self) -> None:
        """Bring the last deleted one back."""
        if not self._deleted:
            self._say(tr("presets_screen.nothing_to_undo"))
            return
        deleted = self._deleted[-1]
        preset = await self._try(lambda: self._library.restore(deleted))
        if preset is not None:
            self._deleted.pop()
            drop_notices(self)
            self.reread(preset.id)

    @work(group="library", exclusive=True)
    async def action_import_file(self) -> None:
        """Take a preset file or a character card among the person's."""
        written = await self.app.push_screen_wait(
            AskLine(tr("presets_screen.import"), "", hint=tr("presets_screen.import_about"))
        )
        if written:
            preset = await self._try(lambda: self._library.import_file(_path(written)))
            if preset is not None:
                self.reread(preset.id)
                self._say(tr("presets_screen.imported", name=preset.name(self._language)))
                if preset.card is not None and preset.card.warnings:
                    self._warn("\n".join(preset.card.warnings))

    @work(group="library", exclusive=True)
    async def action_export(self) -> None:
        """Write the highlighted one into a file to share."""
        entry = self.entry
        if not isinstance(entry, Preset):
            return
        written = await self.app.push_screen_wait(
            AskLine(
                tr("presets_screen.export"),
                f"{entry.id}.png" if entry.avatar else f"{entry.id}.toml",
                hint=tr("presets_screen.export_about"),
                doubts=_doubts,
            )
        )
        if written:
            path, language = _path(written), self._language

            def export() -> Path:
                self._library.export(entry, path, language=language)
                return path

            if await self._try(export) is not None:
                self._say(tr("presets_screen.exported", path=path))

    # ------------------------------------------------------------ private

    async def _try(self, does: Callable[[], Got]) -> Got | None:
        try:
            return await asyncio.to_thread(does)
        except YurenError as error:
            self._complain(error)
            return None

    def _complain(self, error: YurenError, more: str = "") -> None:
        words = "\n".join(filter(None, (error.message, error.hint, more)))
        self.notify(sanitize(words), severity="error", markup=False, timeout=8)

    def _warn(self, words: str) -> None:
        self.notify(sanitize(words), severity="warning", markup=False, timeout=8)

    def _say(self, words: str) -> None:
        self.notify(sanitize(words), markup=False)


def _path(text: str) -> Path:
    return Path(text.strip("\"'")).expanduser()


def _doubts(line: str) -> str:
    path = Path(line).expanduser()
    if path.suffix.lower() not in EXPORT_SUFFIXES:
        return tr("presets_screen.suffix", suffixes=" ".join(EXPORT_SUFFIXES))
    return tr("presets_screen.exists", path=sanitize_line(line, limit=60)) if path.exists() else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise StorageError(
            tr("presets.unreadable", file=path.name, reason=reason_of(error)), ""
        ) from error
