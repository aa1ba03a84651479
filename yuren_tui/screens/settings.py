# SPDX-License-Identifier: Apache-2.0
"""All settings as a form, made from the schema; what is changed is written into the file.

A value that cannot be is shown beside its field and is not taken. Only what was changed here is
written: what the command line or the environment says stays theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Footer, Input, Static, TextArea

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.sanitize import sanitize
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.screens.fields import Fields
from yuren_tui.settings import (
    ENTRIES,
    TABLES,
    Entry,
    Keys,
    LoadedSettings,
    Settings,
    changes,
    save_settings,
    value_of,
    with_value,
)
from yuren_tui.settings.kinds import Choice, Flag, Text
from yuren_tui.settings.schema import BY_NAME
from yuren_tui.widgets.choice_field import ChoiceField
from yuren_tui.widgets.edit_area import EditArea
from yuren_tui.widgets.safe_input import SafeInput


class SettingsScreen(TranslatedModal[Settings | None]):
    """The form; its result is what is in force from now on, None for no change.

    Args:
        loaded: the settings, their file, their faults and where they come from.
        suggestions: words to choose from for settings that are free text, by `table.key`: the
            themes that there are, say.
        settings: what is in force, where it is no longer what was loaded.
    """

    CSS_PATH = "settings.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - as Screen types it
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("ctrl+s", "save", "settings.save", show=True, priority=True),
        bind("f4", "keys", "settings.keys", show=True),
        bind("up", "app.focus_previous", "settings.previous"),
        bind("down", "app.focus_next", "settings.next"),
    ]

    def __init__(
        self,
        loaded: LoadedSettings,
        *,
        suggestions: Mapping[str, Sequence[str]] = MappingProxyType({}),
        settings: Settings | None = None,
    ) -> None:
        super().__init__()
        self._loaded = loaded
        self._suggestions = suggestions
        self._old = settings or loaded.settings
        self._new = self._old

    def compose(self) -> ComposeResult:
        with Vertical(id="panel") as panel:
            panel.border_title = tr("settings.head")
            panel.border_subtitle = Content(sanitize(str(self._loaded.path)))
            with Fields(id="fields"):
                if self._loaded.faults:
                    faults = "\n".join(str(fault) for fault in self._loaded.faults)
                    yield Static(Content(sanitize(faults)), id="faults")
                for table in TABLES:
                    rows = [entry for entry in ENTRIES if entry.table == table]
                    if rows:
                        yield Static(Content(tr(f"settings.table.{table}")), classes="group")
                    for entry in rows:
                        with Horizontal(classes="field", id=_row_id(entry)):
                            yield Static(Content(entry.title), classes="label")
                            yield self._field(entry)
                            yield Static(Content(self._about(entry)), classes="range")
            yield Static("", id="fault", markup=False)
            with Horizontal(id="buttons"):
                yield Button(
                    Content(tr("settings.save")), id="save", variant="primary", compact=True
                )
                yield Button(Content(tr("settings.keys")), id="keys", compact=True)
                yield Button(Content(tr("settings.cancel")), id="cancel", compact=True)
        yield Footer(show_command_palette=False)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._take(event.input)

    @on(TextArea.Changed)
    def _written(self, event: TextArea.Changed) -> None:
        event.stop()
        self._take(event.text_area)

    @on(ChoiceField.Changed)
    def _chosen(self, event: ChoiceField.Changed) -> None:
        event.stop()
        self._take(event.field)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_save()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        match event.button.id:
            case "save":
                self.action_save()
            case "keys":
                self.action_keys()
            case _:
                self.action_close()

    def action_save(self) -> None:
        """Write what was changed, unless a value is wrong: the first wrong one gets the focus."""
        for entry in ENTRIES:  # what was typed last may not have been told yet
            self._take(self.query_one(f"#{_field_id(entry)}"))
        if wrong := list(self.query(".-wrong")):
            next(child for child in wrong[0].query("*") if child.can_focus).focus()
            return
        changed = changes(self._old, self._new)
        try:
            if changed:
                save_settings(self._loaded.path, changed)
        except YurenError as error:
            self.query_one("#fault", Static).update(Content(sanitize(str(error))))
            return
        self.dismiss(self._new if changed else None)

    def action_keys(self) -> None:
        """Give commands other keys."""
        from yuren_tui.screens.settings_keys import KeysScreen

        def taken(keys: Keys | None) -> None:
            if keys is not None:
                self._new = replace(self._new, keys=keys)

        self.app.push_screen(KeysScreen(self._new.keys), taken)

    def _field(self, entry: Entry) -> Widget:
        value = value_of(self._old, entry.name)
        text, name = entry.kind.text(value), _field_id(entry)
        match entry.kind:
            case Flag():
                words = [("true", tr("settings.yes")), ("false", tr("settings.no"))]
                return ChoiceField(words, text, id=name)
            case Choice(words=choices):
                return ChoiceField([(word, word) for word in choices], text, id=name)
            case Text(is_long=True):
                return EditArea(text, id=name)
            case _ if suggested := self._suggestions.get(entry.name):
                return ChoiceField([(word, word) for word in suggested], text, id=name)
            case _:
                return SafeInput(text, id=name, compact=True, select_on_focus=False)

    def _about(self, entry: Entry) -> str:
        match self._loaded.origins.get(entry.name):
            case "environment":
                said = tr("settings.overridden", by=entry.variable)
            case "command line":
                said = tr("settings.overridden", by=tr("settings.command_line"))
            case _:
                return entry.about
        return tr("settings.about_and_allowed", about=entry.about, allowed=said)

    def _take(self, field: Widget) -> None:
        """Take a field's value where it can be; mark the field where it cannot."""
        entry = BY_NAME[str(field.id).replace("--", ".")]
        text = field.text if isinstance(field, TextArea) else ""
        if isinstance(field, (Input, ChoiceField)):
            text = field.value
        row = self.query_one(f"#{_row_id(entry)}")
        try:
            self._new = with_value(self._new, entry.name, entry.kind.parse(text))
            words, is_right = self._about(entry), True
        except (ValueError, YurenError):
            words, is_right = f"✕ {tr('settings.allowed', what=entry.kind.allowed())}", False
        row.query_one(".range", Static).update(Content(words))
        row.set_class(not is_right, "-wrong")


def _field_id(entry: Entry) -> str:
    return f"{entry.table}--{entry.key}"


def _row_id(entry: Entry) -> str:
    return f"row--{entry.table}--{entry.key}"
