# SPDX-License-Identifier: Apache-2.0
"""Kinds of setting: each knows what it allows, and how a value is written and read as text.

`check` takes a value as TOML gives it, `parse` a text as a person types it into a field or an
environment variable; both return the value or raise ValueError. `allowed` says in words what
would have been right.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Protocol

from yuren_core.i18n import tr

ENDLESS = 2**63 - 1
"""The end of whole numbers that have none: TOML's own."""

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


class Kind(Protocol):
    """What a setting may be."""

    def check(self, value: object) -> object:
        """The value of a TOML value. Raises ValueError where it cannot be."""

    def parse(self, text: str) -> object:
        """The value of a typed text. Raises ValueError where it cannot be."""

    def text(self, value: object) -> str:
        """The value as a person would type it."""

    def allowed(self) -> str:
        """What can be, in the language of the person."""


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def check(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError(value)
        return value

    def parse(self, text: str) -> bool:
        word = text.strip().lower()
        if word not in (*_YES, *_NO):
            raise ValueError(text)
        return word in _YES

    def text(self, value: object) -> str:
        return "true" if value else "false"

    def allowed(self) -> str:
        return "true, false"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def check(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise ValueError(value)
        return value

    def parse(self, text: str) -> str:
        return self.check(text.strip())

    def text(self, value: object) -> str:
        return str(value)

    def allowed(self) -> str:
        return ", ".join(self.words)


@dataclass(frozen=True, slots=True)
class Text:
    """Words; several lines where `is_long`, and not none where `is_needed`."""

    is_long: bool = False
    is_needed: bool = False

    def check(self, value: object) -> str:
        if not isinstance(value, str) or (self.is_needed and not value.strip()):
            raise ValueError(value)
        if "\0" in value or ("\n" in value and not self.is_long):
            raise ValueError(value)
        return value

    def parse(self, text: str) -> str:
        return self.check(text if self.is_long else text.strip())

    def text(self, value: object) -> str:
        return str(value)

    def allowed(self) -> str:
        return tr("settings.allowed_text" if self.is_long else "settings.allowed_line")


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `least` to `most`, the ends as `is_above` and `is_below` say.

    `is_optional`: there may be none, which is None, an absent key, or an empty field.
    """

    least: float
    most: float
    is_whole: bool = False
    is_above: bool = False
    is_below: bool = False
    is_optional: bool = False

    def check(self, value: object) -> float | int | None:
        if value is None and self.is_optional:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(value)
        if (self.is_whole and not isinstance(value, int)) or not math.isfinite(value):
            raise ValueError(value)
        is_low = value < self.least or (self.is_above and value == self.least)
        is_high = value > self.most or (self.is_below and value == self.most)
        if is_low or is_high:
            raise ValueError(value)
        return value if self.is_whole else float(value)

    def parse(self, text: str) -> float | int | None:
        bare = text.strip()
        if not bare and self.is_optional:
            return None
        return self.check(int(bare) if self.is_whole else float(bare))

    def text(self, value: object) -> str:
        return "" if value is None else str(value)

    def allowed(self) -> str:
        kind = "whole" if self.is_whole else "number"
        key = f"settings.allowed_{kind}_above" if self.is_above else f"settings.allowed_{kind}"
        if self.is_below:
            key = f"settings.allowed_{kind}_below"
        if self.most >= ENDLESS:
            key = "settings.allowed_whole_endless"
        return tr(key, least=f"{self.least:.15g}", most=f"{self.most:.15g}")


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of texts, none of them empty; typed as JSON strings, or as one bare word."""

    def check(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)):
            raise ValueError(value)
        texts = [item for item in value if isinstance(item, str) and item]
        if len(texts) != len(value):
            raise ValueError(value)
        return tuple(texts)

    def parse(self, text: str) -> tuple[str, ...]:
        bare = text.strip()
        if bare and not bare.startswith('"'):
            return (bare,)
        decoder, found = json.JSONDecoder(), []
        while bare:
            value, end = decoder.raw_decode(bare)
            found.append(value)
            bare = bare[end:].lstrip(" ,")
        return self.check(found)

    def text(self, value: object) -> str:
        items = value if isinstance(value, (list, tuple)) else ()
        return " ".join(json.dumps(item, ensure_ascii=False) for item in items)

    def allowed(self) -> str:
        return tr("settings.allowed_texts")
