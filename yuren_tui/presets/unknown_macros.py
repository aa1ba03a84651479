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
    names = ", ".join(one[:_LONGEST] for one in unknown[:_MOST])
    if len(unknown) > _MOST:
        names += " …"
    simple = [name for name in MACRO_NAMES if name.isalpha()]
    asked = unknown[0].strip("{} ").partition(":")[0]
    near = difflib.get_close_matches(asked, simple, 1)
    known = dict.fromkeys([*near, *_OFTEN])
    return tr(
        "presets.unknown_macros",
        names=names,
        known=", ".join(f"{{{{{name}}}}}" for name in known),
    )


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
