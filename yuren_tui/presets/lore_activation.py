# SPDX-License-Identifier: Apache-2.0
"""Which lorebook entries are active in this turn, and why.

In order: keys are looked for in the newest messages; what is found may wake more (recursion,
at most `MAX_LEVELS` deep); timers, chance and groups take some away; the budget is spent on
constant entries first, then on what the messages named, then on what lore named, higher
priority first. The same chat, seed and state give the same entries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from yuren_core.messages import Role
from yuren_tui.presets.decorators import apply_decorators, split_decorators
from yuren_tui.presets.lore_choice import (
    Candidate,
    Found,
    LoreScan,
    group_winners,
    let_in,
    within_budget,
)
from yuren_tui.presets.lore_keys import KeyMatcher, ScannedText
from yuren_tui.presets.lore_report import (
    ActiveEntry,
    LoreReport,
    LoreState,
    PassedOver,
    PassedOverEntry,
)
from yuren_tui.presets.lorebook import DEFAULT_SCAN_DEPTH, Lorebook, LoreEntry

MAX_LEVELS = 8
MAX_SCAN_DEPTH = 1_000


def activate_lore(books: Iterable[Lorebook], scan: LoreScan) -> LoreReport:
    """Find the active entries.

    Args:
        books: the preset's, and others that hold too; earlier ones win where ids clash.
        scan: the turn.

    Returns:
        Active entries in the order of insertion, and those that were passed over.
    """
    active: list[ActiveEntry] = []
    passed: list[PassedOverEntry] = []
    # An edited chat may be shorter than when an entry was active: then it never was.
    now = len(scan.history)
    stamps = {k: v for k, v in scan.state.active_at.items() if isinstance(v, int) and 0 <= v <= now}
    scan = replace(scan, state=LoreState(dict(stamps)))
    tokens, budgets = 0, list[int]()
    for book in books:
        if not book.entries:
            continue
        room = _least(book.token_budget, None if scan.budget is None else scan.budget - tokens)
        if room is not None:
            budgets.append(room + tokens)
        report = _Activation(book, scan).run(room)
        active += report.active
        passed += report.passed_over
        tokens += report.tokens
        stamps |= report.state.active_at
    active.sort(key=lambda one: one.entry.order)
    return LoreReport(
        tuple(active), tuple(passed), tokens, max(budgets, default=None), LoreState(stamps)
    )


class _Activation:
    """One book in one turn."""

    def __init__(self, book: Lorebook, scan: LoreScan) -> None:
        self.book = book
        self.scan = scan
        self.now = len(scan.history)
        self.answers = sum(message.role is Role.ASSISTANT for message in scan.history)
        self.matcher = KeyMatcher()
        self.passed: list[PassedOverEntry] = []
        self._messages: dict[int, ScannedText] = {}
        self._windows: dict[int, ScannedText] = {}

    def run(self, room: int | None) -> LoreReport:
        waiting = [
            candidate
            for place, entry in enumerate(self.book.entries)
            if (candidate := self._candidate(entry, place))
        ]
        found: list[Found] = []
        asleep: list[Candidate] = []
        for candidate in waiting:
            hit = self._without_lore(candidate)
            if hit is None:
                asleep.append(candidate)
            elif not self._rests(hit):
                found.append(hit)
        found = let_in(found, self.scan, self.passed)
        if self.book.is_recursive:
            self._recurse(found, asleep)
        found = group_winners(found, self.scan, self.passed)
        active = within_budget(found, room, self.scan, self.passed)
        self._tell_refused()
        fresh = {one.entry.id: self.now for one in active if one.reason != "sticky"}
        return LoreReport(
            tuple(active),
            tuple(self.passed),
            sum(one.tokens for one in active),
            room,
            LoreState(fresh),
        )

    # ------------------------------------------------------------ asking

    def _candidate(self, entry: LoreEntry, place: int) -> Candidate | None:
        if not entry.enabled or not entry.content.strip():
            return None
        decorators, content = split_decorators(entry.content)
        if decorators.activation == "never" or not content.strip():
            return None
        return Candidate(apply_decorators(entry, decorators), decorators, content, place)

    def _without_lore(self, candidate: Candidate) -> Found | None:
        """Whether an entry is active by itself or by the messages."""
        entry, decorators = candidate.entry, candidate.decorators
        if decorators.activation == "always":
            return Found(candidate, "decorator")
        age = self._age(entry)
        if age and (decorators.after_first == "stay" or age <= entry.sticky):
            return Found(candidate, "sticky")
        if not self._may_speak(candidate):
            return None
        if entry.is_constant and not entry.uses_regex:
            return Found(candidate, "constant")
        return None if entry.waits_for_recursion else self._by_messages(candidate)

    def _age(self, entry: LoreEntry) -> int:
        """Messages since an entry was last active; 0 where it never was before this turn."""
        return self.now - self.scan.state.active_at.get(entry.id, self.now)

    def _rests(self, hit: Found) -> bool:
        """Whether an entry that is meant sleeps still or again; whoever meant it."""
        entry = hit.entry
        if hit.reason in ("decorator", "sticky"):
            return False
        if self.now < entry.delay:
            self._pass_over(entry, "delay")
        elif 0 < self._age(entry) <= entry.sticky + entry.cooldown:
            self._pass_over(entry, "cooldown")
        else:
            return False
        return True

    def _may_speak(self, candidate: Candidate) -> bool:
        """Whether its decorators let an entry be asked at all."""
        decorators, greeting = candidate.decorators, self.scan.greeting_index
        return (
            not (decorators.after_first == "never" and self._age(candidate.entry))
            and self.answers >= (decorators.activate_only_after or 0)
            and self.answers % (decorators.activate_only_every or 1) == 0
            and (None in (decorators.is_greeting, greeting) or decorators.is_greeting == greeting)
        )

    def _by_messages(self, candidate: Candidate) -> Found | None:
        depth = self._depth(candidate.entry.scan_depth)
        window = self._window(depth)
        keys = self._found_keys(candidate, window, window)
        if keys is None:
            return None
        first, secondary = keys
        places = range(self.now - 1, max(-1, self.now - 1 - depth), -1)
        where = next((i for i in places if self._has(candidate, first, self._message(i))), None)
        return Found(candidate, "key", key=first, secondary_keys=secondary, message_index=where)

    def _depth(self, own: int | None) -> int:
        depth = self.book.scan_depth if own is None else own
        return DEFAULT_SCAN_DEPTH if depth is None else max(0, min(depth, MAX_SCAN_DEPTH))

    def _found_keys(
        self, candidate: Candidate, scanned: ScannedText, around: ScannedText
    ) -> tuple[str, tuple[str, ...]] | None:
        """The key that is in `scanned` and the secondary ones that are in `around`.

        None where the entry is not meant.
        """
        entry, decorators = candidate.entry, candidate.decorators
        first = next((key for key in entry.keys if self._has(candidate, key, scanned)), None)
        if first is None:
            return None
        extra = decorators.extra_keys
        if extra and not any(self._has(candidate, key, around) for key in extra):
            return None
        if any(self._has(candidate, key, around) for key in decorators.excluded_keys):
            return None
        if not entry.secondary_keys or entry.uses_regex:
            return first, ()
        there = tuple(key for key in entry.secondary_keys if self._has(candidate, key, around))
        is_all = len(there) == len(entry.secondary_keys)
        is_meant = {
            "and_any": bool(there),
            "and_all": is_all,
            "not_any": not there,
            "not_all": not is_all,
        }[entry.logic]
        return (first, there) if is_meant else None

    def _has(self, candidate: Candidate, key: str, scanned: ScannedText) -> bool:
        entry, book = candidate.entry, self.book
        if ("{{" in key or "<" in key) and not self.matcher.budget.is_spent:
            key = self.scan.expand(key)
        return self.matcher.matches(
            key,
            scanned,
            case_sensitive=book.case_sensitive
            if entry.case_sensitive is None
            else entry.case_sensitive,
            whole_words=book.whole_words if entry.whole_words is None else entry.whole_words,
            is_pattern=entry.uses_regex,
        )

    def _message(self, index: int) -> ScannedText:
        if index not in self._messages:
            self._messages[index] = ScannedText.of(self.scan.history[index].text)
        return self._messages[index]

    def _window(self, depth: int) -> ScannedText:
        if depth not in self._windows:
            newest = self.scan.history[self.now - min(depth, self.now) :]
            self._windows[depth] = ScannedText.of("\n".join(message.text for message in newest))
        return self._windows[depth]

    def _recurse(self, found: list[Found], asleep: list[Candidate]) -> None:
        fresh = found
        for level in range(1, MAX_LEVELS + 1):
            sources = [
                (hit.entry.label, ScannedText.of(self.scan.expand(hit.candidate.content)))
                for hit in fresh
                if hit.entry.activates_others
            ]
            lore = ScannedText.of("\n".join(scanned.text for _, scanned in sources))
            around = ScannedText.of(f"{self._window(self._depth(None)).text}\n{lore.text}")
            woken: list[Found] = []
            for candidate in asleep if lore.text else ():
                entry = candidate.entry
                if not entry.is_recursable or not self._may_speak(candidate):
                    continue
                if keys := self._found_keys(candidate, lore, around):
                    by = next((n for n, s in sources if self._has(candidate, keys[0], s)), "")
                    woken.append(Found(candidate, "recursion", level, *keys, activated_by=by))
            awake = [hit for hit in woken if not self._rests(hit)]
            fresh = let_in(awake, self.scan, self.passed)
            if not fresh:
                return
            found += fresh
            gone = {id(hit.candidate) for hit in woken}
            asleep[:] = [candidate for candidate in asleep if id(candidate) not in gone]

    def _tell_refused(self) -> None:
        refused = self.matcher.refused
        for entry in self.book.entries if refused else ():
            for key in (*entry.keys, *entry.secondary_keys):
                if key in refused:
                    self._pass_over(entry, "pattern", f"{key[:100]}: {refused[key]}")
                    break

    def _pass_over(self, entry: LoreEntry, reason: PassedOver, detail: str = "") -> None:
        self.passed.append(PassedOverEntry(entry, reason, detail))


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
