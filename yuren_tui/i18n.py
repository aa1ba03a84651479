# SPDX-License-Identifier: Apache-2.0
"""What the chat says, in the language of the person: one TOML catalogue per language.

The language is the process's, as a locale is: set once at the start by `use_language`, asked
for by `tr`. A key that a catalogue lacks is an error, never a silent English word.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from functools import cache

from yuren_core.errors import UsageError
from yuren_core.paths import assets_dir

LANGUAGES = ("en", "zh")

_current = "en"


def use_language(language: str) -> None:
    """Speak this language from now on.

    Args:
        language: "en", "zh", or "auto" for the locale's.

    Raises:
        UsageError: a language that has no catalogue.
    """
    global _current
    chosen = language_of_locale(os.environ) if language == "auto" else language
    if chosen not in LANGUAGES:
        raise UsageError(
            f"there is no language {language!r}", f"Choose one of: auto, {', '.join(LANGUAGES)}."
        )
    _current = chosen


def language_of_locale(environment: Mapping[str, str]) -> str:
    """ "zh" where the locale says Chinese, else "en"; LC_ALL before LC_MESSAGES before LANG."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(variable):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


@cache
def catalogue(language: str) -> dict[str, str]:
    """All strings of a language, keys joined by dots: `table.key`."""
    text = (assets_dir() / "locale" / f"{language}.toml").read_text(encoding="utf-8")
    return dict(_flatten("", tomllib.loads(text)))


def tr(key: str, **values: object) -> str:
    """The string of `key` in the current language, with `{name}` places filled.

    Raises:
        KeyError: the catalogue lacks the key.
    """
    text = catalogue(_current)[key]
    return text.format(**values) if values else text


def _flatten(prefix: str, table: Mapping[str, object]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            pairs += _flatten(f"{prefix}{key}.", value)
        else:
            pairs.append((f"{prefix}{key}", str(value)))
    return pairs
