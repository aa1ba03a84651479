# SPDX-License-Identifier: Apache-2.0
"""What the preset picker shows of a preset: an entry of its list, and all of it beside."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from textual.content import Content

from yuren_core.i18n import tr
from yuren_tui.presets import BrokenPreset, Preset, unknown_in, warning_of
from yuren_tui.sanitize import sanitize, sanitize_line

Entry = Preset | BrokenPreset

AVATAR_COLUMNS = 6
AVATAR_ROWS = 3
_HAN = re.compile("[\u3400-\u9fff]")
_LONGEST = 4_000  # characters of a section
_MOST_LORE = 40  # entries


def entry_text(entry: Entry, language: str, avatar: Sequence[Content]) -> Content:
    """Three lines: name and origin, description, tags; or what is wrong with it."""
    if isinstance(entry, BrokenPreset):
        lines = [
            Content.assemble(_line(entry.id, 40), ("  ✕ " + tr("presets_screen.broken"), "$error")),
            Content.styled(_line(entry.error.message), "$error 80%"),
            Content.styled(_line(entry.path.name), "$foreground 45%"),
        ]
    else:
        text = entry.text(language)
        origin = tr("presets_screen.own" if entry.is_own else "presets_screen.ours")
        lines = [
            Content.assemble((_line(text.name, 40), "bold"), (f"  {origin}", "$foreground 45%")),
            Content.styled(_line(text.description or text.notes), "$foreground 75%"),
            Content.styled(_line(" · ".join(tags_in(entry, language))), "$secondary 80%"),
        ]
    return Content("\n").join(
        Content.assemble(picture, "  ", line) for picture, line in zip(avatar, lines, strict=True)
    )


def tags_in(preset: Preset, language: str) -> tuple[str, ...]:
    """The tags in one language, of a preset that speaks several; all of any other."""
    if len(preset.languages) < 2:
        return preset.tags
    found = tuple(tag for tag in preset.tags if bool(_HAN.search(tag)) == (language == "zh"))
    return found or preset.tags


def matches(entry: Entry, wanted: str) -> bool:
    """Whether an entry has all words of a search in it, in any of its languages."""
    said = [entry.id]
    if isinstance(entry, Preset):
        said += [*entry.tags, entry.creator]
        for language in entry.languages or ("en",):
            text = entry.text(language)
            said += [text.name, text.nickname, text.description]
    whole = "\n".join(said).casefold()
    return all(word in whole for word in wanted.casefold().split())


def preview(entry: Entry, language: str) -> Content:
    """All of a preset, as it is written."""
    if isinstance(entry, BrokenPreset):
        parts = [
            Content.styled(_line(entry.id), "bold"),
            Content.styled(sanitize(entry.error.message), "$error"),
            Content(sanitize(entry.error.hint)),
            Content.styled(sanitize_line(str(entry.path)), "$foreground 45%"),
        ]
        return Content("\n\n").join(part for part in parts if part)
    text = entry.text(language)
    made = " · ".join(filter(None, (entry.creator, entry.version)))
    head = [
        Content.styled(_line(text.name), "bold"),
        Content(sanitize(text.description)),
        Content.styled(_line(" · ".join(tags_in(entry, language))), "$secondary"),
        Content.styled(_line(made), "$foreground 45%"),
    ]
    if warning := warning_of(unknown_in(entry, language)):
        head.append(Content.styled(f"▲ {_line(warning)}", "$warning"))
    sections = [
        Content.assemble((tr(f"presets_screen.{name}"), "$primary bold"), "\n", _body(words))
        for name, words in _sections(entry, language)
        if words.strip()
    ]
    return Content("\n\n").join([Content("\n").join(line for line in head if line), *sections])


def _sections(preset: Preset, language: str) -> Iterator[tuple[str, str]]:
    text = preset.text(language)
    yield "system", text.system
    yield "character", text.character
    yield "personality", text.personality
    yield "scenario", text.scenario
    yield "greeting", text.greeting
    if text.alternate_greetings:
        yield "greetings", "\n---\n".join(text.alternate_greetings)
    yield "examples", text.examples
    yield "post_history", text.post_history
    yield "note", text.note
    entries = text.lorebook.entries
    lore = [
        f"{'●' if one.is_constant else '○'} {one.label}: {' '.join(one.content.split())[:160]}"
        for one in entries[:_MOST_LORE]
    ]
    if len(entries) > _MOST_LORE:
        lore.append(f"… {len(entries) - _MOST_LORE}")
    yield "lore", "\n".join(lore)
    set_values = {key: value for key, value in asdict(preset.sampling).items() if value is not None}
    yield "sampling", "\n".join(f"{key} = {value}" for key, value in set_values.items())
    yield "notes", text.notes


def _body(words: str) -> Content:
    shown = sanitize(words[:_LONGEST]).strip()
    more = len(words) - _LONGEST
    return Content(f"{shown}\n{tr('chat.not_shown', count=more)}" if more > 0 else shown)


def _line(words: str, limit: int = 300) -> str:
    return sanitize_line(" ".join(words.split()), limit=limit)
