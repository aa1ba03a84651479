# SPDX-License-Identifier: Apache-2.0
"""Character card to preset and back, with nothing lost.

The preset keeps the card. On the way back, a field whose text is still what the card gave is
left as the card has it; only what was changed is written. A preset that never was a card
becomes a V3 card of one of its languages.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

from yuren_tui.presets.card import SPECS, Card, json_of_version
from yuren_tui.presets.json_values import (
    JsonObject,
    JsonValue,
    integer_of,
    object_of,
    text_of,
    texts_of,
)
from yuren_tui.presets.lorebook import Lorebook
from yuren_tui.presets.lorebook_json import lorebook_json, lorebook_of_json
from yuren_tui.presets.preset import DEFAULT_NOTE_DEPTH, Preset, PresetText, ResolvedText

_TEXTS = {
    "name": "name",
    "nickname": "nickname",
    "system": "system_prompt",
    "character": "description",
    "personality": "personality",
    "scenario": "scenario",
    "greeting": "first_mes",
    "examples": "mes_example",
    "post_history": "post_history_instructions",
    "notes": "creator_notes",
}
"""Fields of a preset's text, and what cards call them."""

_DESCRIPTION = "yuren/description"
_MAX_NAME = 200
_MAX_DESCRIPTION = 120


def preset_of_card(card: Card, *, id: str, avatar: Path | None = None) -> Preset:  # noqa: A002
    """A preset that plays a card.

    Args:
        card: the card; the preset keeps it.
        id: of the preset.
        avatar: where its picture lies as a file, if it does.
    """
    data = card.data
    note = object_of(object_of(data, "extensions"), "depth_prompt")
    notes = _notes(data)
    text = PresetText(
        **{field: text_of(data, key) for field, key in _TEXTS.items() if key in data},
        alternate_greetings=texts_of(data, "alternate_greetings") or None,
        note=text_of(note, "prompt") or None,
        lorebook=None if card.book is None else lorebook_of_json(card.book),
        description=text_of(object_of(data, "extensions"), _DESCRIPTION) or _first_line(notes),
    )
    text = replace(text, name=" ".join(text_of(data, "name").split())[:_MAX_NAME] or id)
    return Preset(
        id=id,
        common=replace(text, notes=notes or None),
        tags=texts_of(data, "tags"),
        creator=text_of(data, "creator"),
        version=text_of(data, "character_version"),
        note_depth=max(0, integer_of(note, "depth", DEFAULT_NOTE_DEPTH)),
        avatar=avatar,
        card=card,
    )


def card_of_preset(preset: Preset, language: str) -> Card:
    """A card that plays a preset: its own, with what was changed; else a new V3 card.

    Args:
        preset: any preset.
        language: which of its languages the card speaks.

    Returns:
        The card; `picture` holds the avatar where the file can be read.
    """
    text = preset.text(language)
    picture = _picture(preset)
    if preset.card is None:
        raw: JsonObject = {"spec": SPECS[3][0], "spec_version": SPECS[3][1], "data": {}}
        empty = Card(raw, 3)
        base = Card(json_of_version(Card({"name": ""}, 1), 3), 3)
        return replace(base, raw=_over(base, empty, preset, text), picture=picture)
    card = preset.card
    as_card = card if card.version > 1 else Card(json_of_version(card, 2), 2)
    raw = _over(as_card, as_card, preset, text)
    changed = replace(as_card, raw=raw)
    if raw == as_card.raw:
        changed = card
    return replace(
        changed, picture=card.picture or picture, assets=card.assets, warnings=card.warnings
    )


def _over(base: Card, before: Card, preset: Preset, text: ResolvedText) -> JsonObject:
    """`base`'s JSON with what differs from what `before` says written over it."""
    old_preset = preset_of_card(before, id=preset.id)
    old = old_preset.text(text.language)
    raw = copy.deepcopy(base.raw)
    data = object_of(raw, "data")
    for field, key in _TEXTS.items():
        if getattr(text, field) != getattr(old, field):
            data[key] = getattr(text, field)
    if text.alternate_greetings != old.alternate_greetings:
        data["alternate_greetings"] = list(text.alternate_greetings)
    if preset.tags != old_preset.tags:
        data["tags"] = list(preset.tags)
    for key, new, was in (
        ("creator", preset.creator, old_preset.creator),
        ("character_version", preset.version, old_preset.version),
    ):
        if new != was:
            data[key] = new
    if text.lorebook != old.lorebook:
        data["character_book"] = lorebook_json(_with_sources(text.lorebook, old.lorebook))
    extensions = object_of(data, "extensions")
    if (text.note, preset.note_depth) != (old.note, old_preset.note_depth):
        note: JsonValue = {"prompt": text.note, "depth": preset.note_depth, "role": "system"}
        extensions["depth_prompt"] = object_of(extensions, "depth_prompt") | note  # type: ignore[operator]
    if text.description != old.description:
        extensions[_DESCRIPTION] = text.description
    if extensions:
        data["extensions"] = extensions
    return raw


def _with_sources(book: Lorebook, old: Lorebook) -> Lorebook:
    """A changed book whose entries know, by their ids, the JSON that they once were."""
    known = {entry.id: entry for entry in old.entries}
    entries = [
        replace(entry, source=known[entry.id].source, source_format=known[entry.id].source_format)
        if entry.source is None and entry.id in known
        else entry
        for entry in book.entries
    ]
    if book.source is None:
        book = replace(book, source=old.source, source_format=old.source_format)
    return replace(book, entries=tuple(entries))


def _notes(data: JsonObject) -> str:
    many = object_of(data, "creator_notes_multilingual")
    return text_of(data, "creator_notes") or text_of(many, "en")


def _first_line(notes: str) -> str | None:
    line = next((line.strip() for line in notes.splitlines() if line.strip()), "")
    return line[:_MAX_DESCRIPTION] or None


def _picture(preset: Preset) -> bytes:
    if preset.avatar is None:
        return b""
    from yuren_tui.presets.card_files import read_bytes
    from yuren_tui.presets.errors import CardError
    from yuren_tui.presets.pictures import MAX_PICTURE_BYTES

    try:
        return read_bytes(preset.avatar, limit=MAX_PICTURE_BYTES)
    except CardError:  # a card without its picture is better than none; one is drawn
        return b""
