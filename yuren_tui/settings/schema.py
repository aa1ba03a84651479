# SPDX-License-Identifier: Apache-2.0
"""Every setting by name, `table.key`, with what it may be: the one list that all else reads.

The file, its comments, the environment's variables and the settings screen come out of `ENTRIES`;
what a setting is for stands in the catalogues, `settings.about.<table>.<key>`. A default is what
`Settings()` holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, get_args

from yuren_core.i18n import LANGUAGES, tr
from yuren_core.protocol import Device, LoadMode
from yuren_tui.settings.kinds import ENDLESS, Choice, Flag, Kind, Number, Text, Texts
from yuren_tui.settings.values import Images, Settings

KEYS = "keys"
"""The table of binding ids; its keys are not settings of their own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting: where it stands, and what it may be."""

    table: str
    key: str
    kind: Kind

    @property
    def name(self) -> str:
        """`table.key`."""
        return f"{self.table}.{self.key}"

    @property
    def variable(self) -> str:
        """The environment's variable: `YUREN_TABLE_KEY`."""
        return f"YUREN_{self.table}_{self.key}".upper()

    @property
    def title(self) -> str:
        """Its name in the settings screen."""
        return tr(f"settings.title.{self.name}")

    @property
    def about(self) -> str:
        """What it is for, in a sentence: the file's comment and the screen's help."""
        return tr(f"settings.about.{self.name}")

    @property
    def default(self) -> object:
        """What it is where nobody says otherwise."""
        return value_of(Settings(), self.name)


ENTRIES: tuple[Entry, ...] = (
    Entry("interface", "language", Choice(("auto", *LANGUAGES))),
    Entry("interface", "theme", Text(is_needed=True)),
    Entry("interface", "high_contrast", Flag()),
    Entry("interface", "reduced_motion", Flag()),
    Entry("interface", "images", Choice(get_args(Images))),
    Entry("interface", "mouse", Flag()),
    Entry("interface", "prompt_height", Number(3, 60, is_whole=True)),
    Entry("interface", "shown_messages", Number(20, 100_000, is_whole=True)),
    Entry("interface", "confirm_quit", Flag()),
    Entry("interface", "editor", Text()),
    Entry("person", "name", Text()),
    Entry("person", "persona", Text(is_long=True)),
    Entry("model", "name", Text()),
    Entry("model", "load", Choice(get_args(LoadMode))),
    Entry("model", "device", Choice(get_args(Device))),
    Entry("model", "preset", Text()),
    Entry("sampling", "temperature", Number(0, 2)),
    Entry("sampling", "top_p", Number(0, 1, is_above=True)),
    Entry("sampling", "top_k", Number(0, ENDLESS, is_whole=True)),
    Entry("sampling", "min_p", Number(0, 1, is_below=True)),
    Entry("sampling", "repetition_penalty", Number(0.5, 2)),
    Entry("sampling", "seed", Number(0, ENDLESS, is_whole=True, is_optional=True)),
    Entry("sampling", "max_new_tokens", Number(1, ENDLESS, is_whole=True)),
    Entry("sampling", "stop", Texts()),
)
TABLES: tuple[str, ...] = (*dict.fromkeys(entry.table for entry in ENTRIES), KEYS)
BY_NAME: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in ENTRIES})


def value_of(settings: Settings, name: str) -> object:
    """The value of a setting, by `table.key`."""
    table, _, key = name.partition(".")
    return getattr(getattr(settings, table), key)


def with_value(settings: Settings, name: str, value: object) -> Settings:
    """The settings with another value, which must be an allowed one (see `Kind.check`)."""
    table, _, key = name.partition(".")
    changed: dict[str, Any] = {key: value}
    return replace(settings, **{table: replace(getattr(settings, table), **changed)})


def changes(old: Settings, new: Settings) -> dict[str, object]:
    """What is not the same, by name; keys as `keys.<id>`, None where one has its own again."""
    found = dict(_changed_values(old, new))
    for binding in sorted({*old.keys, *new.keys}):
        if old.keys.get(binding) != new.keys.get(binding):
            found[f"{KEYS}.{binding}"] = new.keys.get(binding)
    return found


def _changed_values(old: Settings, new: Settings) -> Iterator[tuple[str, object]]:
    for entry in ENTRIES:
        value = value_of(new, entry.name)
        if value != value_of(old, entry.name):
            yield entry.name, value
