# SPDX-License-Identifier: Apache-2.0
"""Choose who the model is to be: a list that is searched as one types, all of one beside it.

The field keeps the focus, so that every key of a command is one that types nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import ActiveBinding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from yuren_core.i18n import tr
from yuren_tui.bindings import bind, in_order
from yuren_tui.presets import BrokenPreset, Preset, PresetLibrary
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.screens.preset_views import (
    AVATAR_COLUMNS,
    AVATAR_ROWS,
    Entry,
    entry_text,
    matches,
    preview,
)
from yuren_tui.widgets.avatars import avatar_lines
from yuren_tui.widgets.choices import Choices
from yuren_tui.widgets.key_footer import KeyFooter
from yuren_tui.widgets.picture import ThumbnailView
from yuren_tui.widgets.safe_input import SafeInput

_IN_ORDER = (
    *("presets.new_chat", "modal.close", "presets.this_chat", "presets.edit", "presets.create"),
    *("presets.delete", "presets.duplicate", "presets.import", "presets.export"),
)
_NO_AVATAR = (Content(" " * AVATAR_COLUMNS),) * AVATAR_ROWS


@dataclass(frozen=True, slots=True)
class ChosenPreset:
    """What was chosen, and whether for a new chat or for the one that is open."""

    preset: Preset
    is_for_new_chat: bool


class PresetSearch(SafeInput):
    """The field that keeps the focus. Its own Enter comes after the letters before it."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("enter", "submit", "presets.new_chat", show=True)]


class PresetList(TranslatedModal[ChosenPreset | None]):
    """The part of the picker that finds and shows.

    Args:
        library: all presets.
        language: in which they are shown.
        current: the id of the preset of the chat that is open.
    """

    CSS_PATH = "presets.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (76, "-wide")]  # noqa: RUF012 - as Screen types it
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("ctrl+t", "choose(False)", "presets.this_chat", show=True),
        bind("up", "move(-1)", "presets.up"),
        bind("down", "move(1)", "presets.down"),
        bind("pageup", "scroll(-1)", "presets.preview_up"),
        bind("pagedown", "scroll(1)", "presets.preview_down"),
    ]

    def __init__(self, library: PresetLibrary, *, language: str, current: str = "") -> None:
        super().__init__()
        self._library = library
        self._language = language
        self._wanted_id = current
        self._all: tuple[Entry, ...] = ()
        self._shown: list[Entry] = []
        self._avatars: dict[str, tuple[Content, ...]] = {}

    def compose(self) -> ComposeResult:
        with Container(id="panel") as panel:
            panel.border_title = tr("presets_screen.title")
            with Vertical(id="left"):
                yield PresetSearch(
                    placeholder=tr("presets_screen.search"), id="search", compact=True
                )
                yield Choices(id="list")
            with VerticalScroll(id="right"):
                yield ThumbnailView(columns=20, rows=10)
                yield Static("", id="preview", markup=False)
        yield KeyFooter(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one(Choices).can_focus = False
        self.query_one("#right").can_focus = False
        self.query_one(Input).focus()
        self.reread()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """As of any panel, in the order of need: the footer shows the first that fit."""
        return in_order(super().active_bindings, _IN_ORDER)

    @property
    def entry(self) -> Entry | None:
        """What is highlighted."""
        place = self.query_one(Choices).highlighted
        return self._shown[place] if place is not None and place < len(self._shown) else None

    def reread(self, wanted_id: str = "") -> None:
        """Read the library again, and highlight one."""
        self._wanted_id = wanted_id or self._wanted_id
        self._all = self._library.entries()
        self._show()
        self._draw_avatars()

    @on(Input.Changed, "#search")
    def _searched(self, event: Input.Changed) -> None:
        event.stop()
        self._show()

    @on(Input.Submitted, "#search")
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_choose(True)

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._show_preview()

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.query_one(Input).focus()

    def action_move(self, step: int) -> None:
        """Highlight another."""
        self.query_one(Choices).move(step)

    def action_scroll(self, pages: int) -> None:
        """Scroll the preview."""
        right = self.query_one("#right")
        right.scroll_relative(y=pages * max(1, right.size.height - 2), animate=False)

    def action_choose(self, for_new_chat: bool) -> None:
        """Take the one that is highlighted."""
        match self.entry:
            case Preset() as preset:
                self.dismiss(ChosenPreset(preset, for_new_chat))
            case BrokenPreset() as broken:
                words = "\n".join(filter(None, (broken.error.message, broken.error.hint)))
                self.notify(words, severity="error", markup=False)
            case None:
                pass

    def _show(self) -> None:
        wanted = self.query_one(Input).value
        self._shown = [entry for entry in self._all if matches(entry, wanted)]
        places = [n for n, entry in enumerate(self._shown) if entry.id == self._wanted_id]
        entries = [self._text(entry) for entry in self._shown]
        self.query_one(Choices).show(entries, highlighted=places[0] if places else 0)
        self._show_preview()  # a list that is not running yet tells of nothing

    def _text(self, entry: Entry) -> Content:
        return entry_text(entry, self._language, self._avatars.get(entry.id, _NO_AVATAR))

    def _show_preview(self) -> None:
        entry = self.entry
        picture, words = self.query_one(ThumbnailView), self.query_one("#preview", Static)
        avatar = entry.avatar if isinstance(entry, Preset) else None
        picture.path = str(avatar) if avatar else ""
        picture.set_class(avatar is None, "-none")
        if entry is None:
            words.update(Content.styled(tr("presets_screen.none"), "$foreground 55%"))
        else:
            self._wanted_id = entry.id
            words.update(preview(entry, self._language))
        self.query_one("#right").scroll_home(animate=False)

    @work(group="avatars", exclusive=True)
    async def _draw_avatars(self) -> None:
        """Draw the pictures one by one; the list can be used meanwhile."""
        for entry in self._all:
            path = entry.avatar if isinstance(entry, Preset) else None
            if path is None:
                continue
            lines = await asyncio.to_thread(avatar_lines, str(path), AVATAR_COLUMNS, AVATAR_ROWS)
            self._avatars[entry.id] = lines
            if entry in self._shown:
                place = self._shown.index(entry)
                self.query_one(Choices).replace_option_prompt_at_index(place, self._text(entry))
