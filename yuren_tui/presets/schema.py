# SPDX-License-Identifier: Apache-2.0
"""The keys of a preset file, with their types: what pydantic checks.

    name = "…"                     text for every language; or, in a table, for one
    [en] … [zh] …                  the same keys, over the common ones
    [sampling]                     see SamplingParams
    [lorebook] [[lorebook.entries]]  lore, common or inside [en] and [zh]

An unknown key is refused. Values become the frozen ones of `preset` and `lorebook` here; what
else is asked of them (ranges of sampling, files beside the preset) `toml_files` asks.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from yuren_core.messages import Role
from yuren_tui.presets.json_values import clean_text
from yuren_tui.presets.lorebook import (
    DEFAULT_DEPTH,
    ENTRY_FIELDS,
    Logic,
    Lorebook,
    LoreEntry,
    Where,
)
from yuren_tui.presets.preset import DEFAULT_NOTE_DEPTH, PresetSampling, PresetText

Count = Annotated[int, Field(ge=0, le=10**6)]
Percent = Annotated[int, Field(ge=0, le=100)]
Order = Annotated[int, Field(ge=-(10**6), le=10**6)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LoreEntryTable(_Table):
    """One `[[lorebook.entries]]`; see `lorebook.LoreEntry`."""

    id: str = ""
    name: str = ""
    content: str
    keys: list[str] = []
    secondary_keys: list[str] = []
    logic: Logic = "and_any"
    enabled: bool = True
    constant: bool = False
    regex: bool = False
    case_sensitive: bool | None = None
    whole_words: bool | None = None
    scan_depth: Count | None = None
    order: Order = 100
    priority: Order | None = None
    position: Where = "after_char"
    depth: Count = DEFAULT_DEPTH
    role: Literal["system", "user", "assistant"] = "system"
    probability: Percent = 100
    sticky: Count = 0
    cooldown: Count = 0
    delay: Count = 0
    recursable: bool = True
    activates_others: bool = True
    waits_for_recursion: bool = False
    group: str = ""
    group_weight: Count = 100
    group_override: bool = False

    def value(self, index: int) -> LoreEntry:
        """The entry; its place in the book is its id where it has none."""
        said = self.model_dump()
        for key, field in ENTRY_FIELDS.items():
            said[field] = said.pop(key)
        said["id"] = self.id or str(index)
        said["role"] = Role(self.role)
        return LoreEntry(**_clean(said))


class LorebookTable(_Table):
    """`[lorebook]`; see `lorebook.Lorebook`."""

    name: str = ""
    description: str = ""
    scan_depth: Count | None = None
    token_budget: Annotated[int, Field(ge=1, le=10**6)] | None = None
    recursive: bool = False
    case_sensitive: bool = False
    whole_words: bool = False
    entries: list[LoreEntryTable] = []

    def value(self) -> Lorebook:
        """The lorebook."""
        said = self.model_dump(exclude={"entries", "recursive"})
        entries = tuple(entry.value(index) for index, entry in enumerate(self.entries))
        return Lorebook(**_clean(said), is_recursive=self.recursive, entries=entries)


class TextTable(_Table):
    """`[en]`, `[zh]`, and the head of the file; see `preset.PresetText`."""

    name: str | None = None
    nickname: str | None = None
    description: str | None = None
    system: str | None = None
    character: str | None = None
    personality: str | None = None
    scenario: str | None = None
    greeting: str | None = None
    alternate_greetings: list[str] | None = None
    examples: str | None = None
    post_history: str | None = None
    note: str | None = None
    notes: str | None = None
    lorebook: LorebookTable | None = None

    def value(self) -> PresetText:
        """The text."""
        said = {key: getattr(self, key) for key in TextTable.model_fields if key != "lorebook"}
        book = None if self.lorebook is None else self.lorebook.value()
        return PresetText(**_clean(said), lorebook=book)


class SamplingTable(_Table):
    """`[sampling]`; ranges are `SamplingParams`' to refuse."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    max_new_tokens: int | None = None
    stop: list[str] | None = None

    def value(self) -> PresetSampling:
        """The sampling."""
        return PresetSampling(**_clean(self.model_dump()))


class PresetTable(TextTable):
    """A whole preset file."""

    tags: list[str] = []
    creator: str = ""
    version: str = ""
    note_depth: Count = DEFAULT_NOTE_DEPTH
    avatar: str | None = None
    card: str | None = None
    sampling: SamplingTable = SamplingTable()
    en: TextTable | None = None
    zh: TextTable | None = None

    def texts(self) -> dict[str, PresetText]:
        """What is said in one language only, by language."""
        tables = {"en": self.en, "zh": self.zh}
        return {language: table.value() for language, table in tables.items() if table is not None}


def _clean(said: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples, texts clean."""
    cleaned: dict[str, Any] = {}
    for key, value in said.items():
        if isinstance(value, list):
            cleaned[key] = tuple(clean_text(text) for text in value)
        else:
            cleaned[key] = clean_text(value) if isinstance(value, str) and key != "role" else value
    return cleaned
