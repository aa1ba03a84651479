# SPDX-License-Identifier: Apache-2.0
"""Give commands other keys: choose one, press the new key. What gets in the way is named."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingsMap, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.dom import DOMNode
from textual.widgets import Footer, OptionList, Static

from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.screens.key_table import Row, conflicts, key_table, keys_of
from yuren_tui.settings import Keys, checked_keys
from yuren_tui.widgets.choices import Choices

_KEYS_WIDTH = 30  # columns
_NARROW = 76  # columns of a terminal that leaves no room for the ids


class KeysScreen(TranslatedModal[Keys | None]):
    """All commands and their keys; its result is the rebound ones, None for no change.

    Args:
        keys: from the settings.
    """

    CSS_PATH = "settings_keys.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("ctrl+s", "save", "settings.take_keys", show=True, priority=True),
        bind("a", "add", "settings.add_key", show=True),
        bind("delete,backspace", "restore", "settings.own_key", show=True),
    ]

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self._keys: dict[str, tuple[str, ...]] = dict(keys)
        self._table: dict[str, Row] = {}
        self._rows: list[Row] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="panel") as panel:
            panel.border_title = tr("settings.keys")
            yield Choices(id="keys")
            yield Static("", id="conflicts", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self._table = key_table(type(self.app))
        self._rows = sorted(self._table.values(), key=lambda row: row.binding.split(".")[0])
        self._show(0)
        self.query_one(Choices).focus()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._capture(is_added=False)

    def action_add(self) -> None:
        """Give the command one more key."""
        self._capture(is_added=True)

    def action_restore(self) -> None:
        """Give the command its own keys again."""
        if (row := self._row()) is not None:
            self._keys.pop(row.binding, None)
            self._show(self.query_one(Choices).highlighted)

    def action_save(self) -> None:
        """Take the keys."""
        self.dismiss(MappingProxyType(self._keys))

    def _row(self) -> Row | None:
        place = self.query_one(Choices).highlighted
        return None if place is None else self._rows[place]

    def _capture(self, *, is_added: bool) -> None:
        row = self._row()
        if row is None:
            return

        def pressed(key: str | None) -> None:
            if key is None:
                return
            before = keys_of(row, self._keys) if is_added else ()
            keys = tuple(dict.fromkeys((*before, key)))
            self._keys[row.binding] = keys
            if keys == row.keys:
                del self._keys[row.binding]
            self._show(self.query_one(Choices).highlighted)

        self.app.push_screen(CaptureScreen(row), pressed)

    def _show(self, highlighted: int | None) -> None:
        self.query_one(Choices).show(
            [self._line(row) for row in self._rows], highlighted=highlighted
        )
        found = conflicts(self._keys, self._table)
        words = "\n".join(conflict.message for conflict in found)
        self.query_one("#conflicts", Static).update(Content(words))

    def _line(self, row: Row) -> Content:
        keys = ", ".join(keys_of(row, self._keys))
        mark = "● " if row.binding in self._keys else "  "
        is_narrow = self.app.size.width < _NARROW
        width = _KEYS_WIDTH // 2 if is_narrow else _KEYS_WIDTH
        gap = " " * max(2, width - Content(keys).cell_length)
        where = ("" if is_narrow else f"  {row.binding}", "$foreground 40%")
        return Content.assemble((mark, "$accent"), (keys, "$primary"), gap, row.words, where)


class CaptureScreen(TranslatedModal[str | None], inherit_bindings=False):
    """Waits for a key; its result is the key's name, None after Esc.

    Args:
        row: the command that is to have it.
    """

    CSS_PATH = "settings_keys.tcss"

    def __init__(self, row: Row) -> None:
        super().__init__()
        self._row = row

    @property
    def _binding_chain(self) -> list[tuple[DOMNode, BindingsMap]]:
        """No binding acts here, not even those that come first everywhere else."""
        return []

    def compose(self) -> ComposeResult:
        with Vertical(id="capture"):
            yield Static(Content(tr("settings.press", command=self._row.words)), id="press")
            yield Static("", id="refused", markup=False)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if event.key == "escape":
            self.dismiss(None)
            return
        try:
            (key,) = checked_keys(self._row.binding, [event.key])
        except ValueError:
            words = tr("settings.allowed", what=tr("settings.allowed_key_while_writing"))
            self.query_one("#refused", Static).update(Content(words))
        else:
            self.dismiss(key)
