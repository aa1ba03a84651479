# SPDX-License-Identifier: Apache-2.0
"""What yuren says, in the language of the person: one TOML catalogue per language.

The language is the process's, as a locale is: set once at the start by `use_language`, asked
for by `tr`. A process that we start speaks ours: it is told by `YUREN_LANG`, which goes before
the locale. A key that a catalogue lacks is an error, never a silent English word. Logs are
written in English.
"""

from __future__ import annotations

import errno
import os
import re
import tomllib
from collections.abc import Mapping
from functools import cache

from yuren_core.errors import UsageError
from yuren_core.shipped import assets_dir

LANGUAGES = ("en", "zh")

LANGUAGE_VARIABLE = "YUREN_LANG"
"""The environment variable that says the language before the locale does."""

_current = "en"


def use_language(language: str) -> None:
    """Speak this language from now on.

    Args:
        language: "en", "zh", or "auto" for that of `YUREN_LANG` and the locale.

    Raises:
        UsageError: a language that has no catalogue.
    """
    global _current
    chosen = language_of_locale(os.environ) if language == "auto" else language
    if chosen not in LANGUAGES:
        raise UsageError(
            tr("error.language.unknown", language=repr(language)),
            tr("error.language.unknown_hint", languages=", ".join(("auto", *LANGUAGES))),
        )
    _current = chosen


def language_of(name: str) -> str:
    """A language as people write it (`zh-CN`, `en_US.UTF-8`), as the one of `LANGUAGES` that it
    is; any other name as it was."""
    code = re.split(r"[-_.@]", name.strip().lower(), maxsplit=1)[0]
    return code if code in LANGUAGES else name


def current_language() -> str:
    """The language that is spoken: one of `LANGUAGES`."""
    return _current


def language_for_child() -> dict[str, str]:
    """Environment variables that make a process of ours speak the current language."""
    return {LANGUAGE_VARIABLE: _current}


def language_of_locale(environment: Mapping[str, str]) -> str:
    """ "zh" where the first that is set of YUREN_LANG, LC_ALL, LC_MESSAGES and LANG says Chinese,
    else "en"."""
    for variable in (LANGUAGE_VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(variable):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


@cache
def catalogue(language: str) -> dict[str, str]:
    """All strings of a language, keys joined by dots: `table.key`."""
    text = (assets_dir() / "locale" / f"{language}.toml").read_text(encoding="utf-8")
    return dict(_flatten("", tomllib.loads(text)))


def tr(key: str, /, **values: object) -> str:
    """The string of `key` in the current language, with `{name}` places filled.

    Raises:
        KeyError: the catalogue lacks the key.
    """
    text = catalogue(_current)[key]
    return text.format(**values) if values else text


def reason_of(error: Exception) -> str:
    """Why the system refused: our words for the usual reasons, its own for the rest."""
    number = getattr(error, "errno", None)
    known = catalogue(_current).get(f"error.system.{errno.errorcode.get(number or 0, '')}")
    return known or getattr(error, "strerror", None) or str(error)


def _flatten(prefix: str, table: Mapping[str, object]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            pairs += _flatten(f"{prefix}{key}.", value)
        else:
            pairs.append((f"{prefix}{key}", str(value)))
    return pairs
