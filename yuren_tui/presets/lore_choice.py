# SPDX-License-Identifier: Apache-2.0
"""Of the lore that was meant, what is told: chance, groups, and the budget."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from yuren_core.messages import Message
from yuren_tui.presets.decorators import Decorators
from yuren_tui.presets.lore_report import ActiveEntry, LoreState, PassedOverEntry, Reason
from yuren_tui.presets.lorebook import LoreEntry


@dataclass(frozen=True, slots=True)
class LoreScan:
    """What a turn is, for its lore.

    Attributes:
        history: the chat, oldest first.
        seed: what chance depends on; one a chat.
        state: what earlier turns left.
        greeting_index: which first message the chat began with (0 the usual one), or None.
        budget: most tokens, besides each book's own; None for no limit.
        count_tokens: tokens of a text.
        expand: macros of a text.
    """

    history: Sequence[Message]
    count_tokens: Callable[[str], int]
    expand: Callable[[str], str]
    seed: int = 0
    state: LoreState = field(default_factory=LoreState)
    greeting_index: int | None = None
    budget: int | None = None


@dataclass(slots=True)
class Candidate:
    """An entry that is asked about: its decorators read, its content bare."""

    entry: LoreEntry
    decorators: Decorators
    content: str
    place: int


@dataclass(slots=True)
class Found:
    """An entry that is meant, and why; fields as `lore_report.ActiveEntry`'s."""

    candidate: Candidate
    reason: Reason
    level: int = 0
    key: str = ""
    secondary_keys: tuple[str, ...] = ()
    message_index: int | None = None
    activated_by: str = ""

    @property
    def entry(self) -> LoreEntry:
        """The entry, as its decorators make it."""
        return self.candidate.entry


def let_in(found: Sequence[Found], scan: LoreScan, passed: list[PassedOverEntry]) -> list[Found]:
    """Those that chance lets in; what is sticky has been let in already.

    Args:
        found: entries that are meant.
        scan: the turn.
        passed: gets those that are not let in.
    """
    kept: list[Found] = []
    for hit in found:
        entry = hit.entry
        if hit.reason == "sticky" or entry.probability >= 100:
            kept.append(hit)
            continue
        place = f"lore|{scan.seed}|{len(scan.history)}|{entry.id}|{entry.label}"
        if random.Random(place).random() * 100 < entry.probability:
            kept.append(hit)
        else:
            passed.append(PassedOverEntry(entry, "chance", f"{entry.probability} %"))
    return kept


def group_winners(
    found: Sequence[Found], scan: LoreScan, passed: list[PassedOverEntry]
) -> list[Found]:
    """One of each group, and all that are in none; the others go to `passed`."""
    groups: dict[str, list[Found]] = {}
    for hit in found:
        if hit.entry.group:
            groups.setdefault(hit.entry.group, []).append(hit)
    losers: set[int] = set()
    for group, hits in groups.items():
        winner = _winner(group, hits, scan)
        for hit in hits:
            if hit is not winner:
                losers.add(id(hit))
                detail = f"{group}: {winner.entry.label}"
                passed.append(PassedOverEntry(hit.entry, "group", detail))
    return [hit for hit in found if id(hit) not in losers]


def within_budget(
    found: Sequence[Found], room: int | None, scan: LoreScan, passed: list[PassedOverEntry]
) -> list[ActiveEntry]:
    """Those that the budget pays for; the others go to `passed`.

    Args:
        found: entries that are meant.
        room: most tokens; None for no limit.
        scan: the turn.
        passed: gets those that there is no room for. A smaller one may still have room.

    Returns:
        Active entries in the order of insertion, and of their place in the book.
    """
    active: list[tuple[int, int, ActiveEntry]] = []
    for hit in sorted(found, key=_rank):
        text = scan.expand(hit.candidate.content)
        tokens = scan.count_tokens(text) if room is None or room > 0 else 0
        if room is not None:
            if room <= 0 or tokens > room:
                passed.append(PassedOverEntry(hit.entry, "budget", str(tokens or "")))
                continue
            room -= tokens
        one = ActiveEntry(
            entry=hit.entry,
            text=text,
            reason=hit.reason,
            key=hit.key,
            secondary_keys=hit.secondary_keys,
            message_index=hit.message_index,
            activated_by=hit.activated_by,
            tokens=tokens,
        )
        active.append((hit.entry.order, hit.candidate.place, one))
    active.sort(key=lambda placed: placed[:2])
    return [one for _, _, one in active]


def _rank(hit: Found) -> tuple[bool, bool, int, int]:
    """Who is paid for first: constant, then directly named, then by priority."""
    entry = hit.entry
    priority = entry.order if entry.priority is None else entry.priority
    yields = hit.candidate.decorators.yields_first
    return yields, hit.reason != "constant", hit.level, -priority


def _winner(group: str, hits: Sequence[Found], scan: LoreScan) -> Found:
    if staying := [hit for hit in hits if hit.reason == "sticky"]:
        return staying[0]
    if overriding := [hit for hit in hits if hit.entry.group_override]:
        return max(overriding, key=lambda hit: hit.entry.order)
    weights = [max(hit.entry.group_weight, 1) for hit in hits]
    place = f"group|{scan.seed}|{len(scan.history)}|{group}"
    return random.Random(place).choices(hits, weights)[0]
