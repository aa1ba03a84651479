# SPDX-License-Identifier: Apache-2.0
"""Whether a lorebook key is spoken of in a text.

A plain key is looked for as it is, in any case of letters unless it says otherwise. As a whole
word it must not touch a letter or digit at either end; Chinese, Japanese and Korean are written
without spaces, so there an end has no border to ask for: "灯塔" is found in "去灯塔看看", and
"art" is found in "画art展" but not in "start". A key written `/re/flags` is a pattern
(`safe_regex`); one that is refused matches nothing, and says so. Every asking is counted against
one budget of work a turn, so that a book of millions of keys cannot hold the chat up.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from yuren_core.i18n import tr
from yuren_tui.presets.regex_chars import PatternRefusedError
from yuren_tui.presets.safe_regex import WorkBudget, compile_pattern, split_delimited

MAX_SCANNED = 100_000
"""Characters of one text that are searched: its end, where it is longer."""


@dataclass(frozen=True, slots=True)
class ScannedText:
    """A text to be searched, and its caseless form."""

    text: str
    folded: str

    @classmethod
    def of(cls, text: str) -> ScannedText:
        """Prepare a text."""
        cut = text[-MAX_SCANNED:]
        return cls(cut, cut.casefold())


@dataclass(slots=True)
class KeyMatcher:
    """Matches keys in one turn. `refused` tells of keys that were not asked, and why."""

    budget: WorkBudget = field(default_factory=WorkBudget)
    refused: dict[str, str] = field(default_factory=dict)

    def matches(
        self,
        key: str,
        scanned: ScannedText,
        *,
        case_sensitive: bool,
        whole_words: bool,
        is_pattern: bool = False,
    ) -> bool:
        """Whether a key is in a text.

        Args:
            key: as written.
            scanned: where to look.
            case_sensitive: "Art" is not "art"; a pattern has its flag i for that.
            whole_words: as the module says; not asked of patterns.
            is_pattern: the key is a pattern even without slashes.
        """
        if self.budget.is_spent:
            self.refused[key] = tr("presets.pattern.work")
            return False
        self.budget.steps -= 1 + len(scanned.text) // 500
        delimited = split_delimited(key) if is_pattern or key.startswith("/") else None
        if delimited or is_pattern:
            pattern, flags = delimited or (key, "" if case_sensitive else "i")
            return self._matches_pattern(key, pattern, flags, scanned.text)
        sought = key.strip() if case_sensitive else key.strip().casefold()
        text = scanned.text if case_sensitive else scanned.folded
        if not sought or sought not in text:
            return False
        return not whole_words or _has_whole_word(sought, text)

    def _matches_pattern(self, key: str, pattern: str, flags: str, text: str) -> bool:
        try:
            compiled = compile_pattern(pattern, flags)
        except PatternRefusedError as error:
            self.budget.steps -= 100
            self.refused[key] = str(error)
            return False
        self.budget.steps -= compiled.size
        return compiled.search(text, self.budget)


def _has_whole_word(word: str, text: str) -> bool:
    place = text.find(word)
    while place >= 0:
        end = place + len(word)
        if not (_joins(text[place - 1 : place], word[0]) or _joins(word[-1], text[end : end + 1])):
            return True
        place = text.find(word, place + 1)
    return False


def _joins(left: str, right: str) -> bool:
    """Whether two neighbours belong to one word."""
    return _is_letter(left) and _is_letter(right)


def _is_letter(char: str) -> bool:
    if not char or not (char.isalnum() or char == "_"):
        return False
    return not (
        "\u2e80" <= char <= "\u9fff"  # Han, kana, Bopomofo
        or "\uac00" <= char <= "\ud7af"  # Hangul
        or "\uf900" <= char <= "\ufaff"
        or char >= "\U00020000"
    )
