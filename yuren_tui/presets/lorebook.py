# SPDX-License-Identifier: Apache-2.0
"""A lorebook as values: entries that join the prompt when their keys are spoken of.

Where an entry leaves something unsaid (None), the book's or our own default holds; what an
entry means is decided in `lore_activation`, how keys match in `lore_keys`. `source` is the JSON
that a book or an entry was read from; it keeps what we do not know for writing, and plays no
part in comparing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from yuren_core.messages import Role
from yuren_tui.presets.json_values import JsonObject

Logic = Literal["and_any", "not_all", "not_any", "and_all"]
Where = Literal["before_char", "after_char", "at_depth"]
SourceFormat = Literal["card", "world"]

LOGICS: tuple[Logic, ...] = ("and_any", "not_all", "not_any", "and_all")
"""By SillyTavern's numbers."""

DEFAULT_SCAN_DEPTH = 4
"""Messages, newest first, that are searched for keys where nobody says how many."""

DEFAULT_DEPTH = 4
"""Messages from the end, for an entry that stands among them."""

ENTRY_FIELDS = {
    "constant": "is_constant",
    "regex": "uses_regex",
    "position": "where",
    "recursable": "is_recursable",
}
"""Keys of an entry in a file whose field has another name."""


@dataclass(frozen=True, slots=True)
class LoreEntry:
    """One piece of lore.

    Attributes:
        id: names the entry in its book, for sticky, cooldown and views.
        content: as written, decorators (`@@depth 4`) included.
        keys: any of them activates; `/re/flags` is a regular expression (`safe_regex`).
        secondary_keys: asked too, as `logic` says; none means not asked.
        logic: and_any, not_all, not_any, and_all.
        is_constant: active without a key.
        uses_regex: every key is a pattern, without slashes (V3).
        case_sensitive, whole_words, scan_depth: None leaves it to the book.
        order: lower stands earlier.
        priority: lower is dropped first when the budget is spent; None takes `order`.
        where, depth, role: its place; depth counts messages from the end, 0 is after the last.
        probability: percent.
        sticky, cooldown, delay: messages: stays that long, rests that long afterwards, sleeps
            until the chat has that many.
        is_recursable: other entries' content may activate it.
        activates_others: its content may activate other entries.
        waits_for_recursion: only other entries' content may activate it.
        group: of the active entries of one group, one wins; by weight, or the overriding one.
    """

    id: str = ""
    name: str = ""
    content: str = ""
    keys: tuple[str, ...] = ()
    secondary_keys: tuple[str, ...] = ()
    logic: Logic = "and_any"
    enabled: bool = True
    is_constant: bool = False
    uses_regex: bool = False
    case_sensitive: bool | None = None
    whole_words: bool | None = None
    scan_depth: int | None = None
    order: int = 100
    priority: int | None = None
    where: Where = "after_char"
    depth: int = DEFAULT_DEPTH
    role: Role = Role.SYSTEM
    probability: int = 100
    sticky: int = 0
    cooldown: int = 0
    delay: int = 0
    is_recursable: bool = True
    activates_others: bool = True
    waits_for_recursion: bool = False
    group: str = ""
    group_weight: int = 100
    group_override: bool = False
    source: JsonObject | None = field(default=None, compare=False, repr=False)
    source_format: SourceFormat = field(default="card", compare=False, repr=False)

    @property
    def label(self) -> str:
        """What a view calls it: its name, else its first key, else its id."""
        return self.name or (self.keys[0] if self.keys else "") or f"#{self.id}"


@dataclass(frozen=True, slots=True)
class Lorebook:
    """Entries, and what holds for all of them.

    Attributes:
        scan_depth: messages searched for keys, newest first; None for `DEFAULT_SCAN_DEPTH`.
        token_budget: most tokens of lore in one prompt; None for no limit of its own.
        is_recursive: active entries' content is searched for keys too.
        case_sensitive, whole_words: for entries that do not say.
    """

    name: str = ""
    description: str = ""
    entries: tuple[LoreEntry, ...] = ()
    scan_depth: int | None = None
    token_budget: int | None = None
    is_recursive: bool = False
    case_sensitive: bool = False
    whole_words: bool = False
    source: JsonObject | None = field(default=None, compare=False, repr=False)
    source_format: SourceFormat = field(default="card", compare=False, repr=False)
