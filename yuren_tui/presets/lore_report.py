# SPDX-License-Identifier: Apache-2.0
"""What a lorebook did in one turn, for the prompt and for a view of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from yuren_tui.presets.lorebook import LoreEntry

Reason = Literal["constant", "key", "recursion", "sticky", "decorator"]
PassedOver = Literal["budget", "chance", "cooldown", "delay", "group", "pattern"]


@dataclass(frozen=True, slots=True)
class LoreState:
    """When entries were last active: entry id to the length of the history then, in messages.

    Kept by the chat from turn to turn; without it, sticky, cooldown and "once" have no memory.
    """

    active_at: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActiveEntry:
    """An entry that is in the prompt of this turn, and why.

    Attributes:
        entry: its place and role are as its decorators say.
        text: as told: decorators off, macros expanded.
        reason: what activated it.
        key: the key that was found, as written; empty for other reasons.
        secondary_keys: those of the secondary keys that were found.
        message_index: the message of the history in which the key was found, or None.
        activated_by: the label of the entry whose content had the key (reason "recursion").
        tokens: what it costs.
    """

    entry: LoreEntry
    text: str
    reason: Reason
    key: str = ""
    secondary_keys: tuple[str, ...] = ()
    message_index: int | None = None
    activated_by: str = ""
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class PassedOverEntry:
    """An entry that would have been active, and why it is not."""

    entry: LoreEntry
    reason: PassedOver
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LoreReport:
    """The lore of one turn.

    Attributes:
        active: in the order of insertion.
        passed_over: what was asked for and is not there.
        tokens: of all active entries.
        budget: most tokens that there could be, or None.
        state: to be given to the next turn, once this one has been sent.
    """

    active: tuple[ActiveEntry, ...] = ()
    passed_over: tuple[PassedOverEntry, ...] = ()
    tokens: int = 0
    budget: int | None = None
    state: LoreState = field(default_factory=LoreState)
