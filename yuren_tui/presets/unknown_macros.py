# SPDX-License-Identifier: Apache-2.0
"""Variables that nobody knows: they stay as they are written, braces and all; people are warned."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from yuren_core.i18n import tr
from yuren_tui.presets.macros import MACRO_NAMES, is_known
from yuren_tui.presets.preset import Preset, ResolvedText

_INNERMOST = re.compile(r"\{\{([^{}]*)\}\}")
_NESTED = re.compile(r"\{\{[^{}]*\{\{")
_MOST = 5  # unknown ones that a warning names
_OFTEN = ("user", "char", "model", "date", "time", "weekday", "lang", "persona", "original")
_MOST_LORE = 500_000  # characters of lore that are looked at, in a frame's time
_LONGEST = 40  # characters of one


def unknown_macros(text: str) -> tuple[str, ...]:
    """The macros of a text that are not known, as they are written, each once."""
    found: dict[str, None] = {}
    while bodies := dict.fromkeys(_INNERMOST.findall(text)):
        found |= {f"{{{{{body}}}}}": None for body in bodies if not is_known(body)}
        if not _NESTED.search(text):
            break
        text = _INNERMOST.sub("x", text)  # what is inside others has been looked at
    return tuple(found)


def unknown_in(preset: Preset, language: str) -> tuple[str, ...]:
    """The macros that are not known in all that a preset tells the model or the person.

    Args:
        preset: the preset.
        language: in which it speaks.
    """
    said = _told(preset.text(language))
    return tuple(dict.fromkeys(one for text in said for one in unknown_macros(text)))


def warning_of(unknown: tuple[str, ...]) -> str:
    """One line that names the unknown ones and the known ones; empty where all are known."""
    if not unknown:
        return ""
    known = dict.fromkeys([*_near(unknown), *_OFTEN])
    return tr(
        "presets.unknown_macros",
        names=_named(unknown, most=_MOST, longest=_LONGEST),
        known=", ".join(f"{{{{{name}}}}}" for name in known),
    )


def short_warning_of(unknown: tuple[str, ...]) -> str:
    """The same in a few words, for beside a list of those that there are."""
    if not unknown:
        return ""
    said = tr("system.unknown_macros", names=_named(unknown, most=2, longest=24))
    near = _near(unknown)
    return said + tr("system.near_macro", name=f"{{{{{near[0]}}}}}") if near else said


def _named(unknown: tuple[str, ...], *, most: int, longest: int) -> str:
    names = ", ".join(
        one if len(one) <= longest else f"{one[: longest - 1]}…" for one in unknown[:most]
    )
    return f"{names} …" if len(unknown) > most else names


def _near(unknown: tuple[str, ...]) -> list[str]:
    """The known one that the first may be meant to be; none where none is like it."""
    simple = [name for name in MACRO_NAMES if name.isalpha()]
    return difflib.get_close_matches(unknown[0].strip("{} ").partition(":")[0], simple, 1)


def _told(text: ResolvedText) -> Iterator[str]:
    yield from (text.system, text.character, text.personality, text.scenario)
    yield from (text.greeting, *text.alternate_greetings)
    yield from (text.examples, text.post_history, text.note)
    lore = 0
    for entry in text.lorebook.entries:
        if lore > _MOST_LORE:
            break
        lore += len(entry.content)
        yield entry.content
