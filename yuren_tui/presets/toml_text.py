# SPDX-License-Identifier: Apache-2.0
"""A preset as TOML that people like to read: long texts as blocks, defaults left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields

from yuren_core.i18n import tr
from yuren_tui.presets.lorebook import ENTRY_FIELDS, Lorebook, LoreEntry
from yuren_tui.presets.lorebook_json import lorebook_of_json
from yuren_tui.presets.preset import DEFAULT_NOTE_DEPTH, Preset, PresetText

_ESCAPED = {place: f"\\u{place:04X}" for place in (*range(0x20), 0x7F)} | {
    ord("\\"): "\\\\",
    ord('"'): '\\"',
    ord("\b"): "\\b",
    ord("\t"): "\\t",
    ord("\n"): "\\n",
    ord("\f"): "\\f",
    ord("\r"): "\\r",
}
_ESCAPED_IN_BLOCK = {place: said for place, said in _ESCAPED.items() if chr(place) not in '\n"'}
_QUOTES = re.compile(r'"{2,}|"\Z')
"""Quotes that might end a block of text."""

_ENTRY_KEYS = {field: key for key, field in ENTRY_FIELDS.items()}


def preset_toml(preset: Preset, *, avatar: str | None = None, card: str | None = None) -> str:
    """A preset as its file holds it.

    Args:
        preset: the preset.
        avatar: name of the picture beside the file.
        card: name of the card beside the file; lore that is the card's own is then left to it.

    Returns:
        TOML that reads back as an equal preset.
    """
    base = _card_book(preset) if card else None
    lines = list(_text(preset.common))
    about: dict[str, object] = {
        "tags": preset.tags or None,
        "creator": preset.creator or None,
        "version": preset.version or None,
        "note_depth": None if preset.note_depth == DEFAULT_NOTE_DEPTH else preset.note_depth,
        "avatar": avatar,
        "card": card,
    }
    lines[:0] = _pairs(about)
    sampling = {f.name: getattr(preset.sampling, f.name) for f in fields(preset.sampling)}
    if not preset.sampling.is_empty:
        lines += ["", "[sampling]", *_pairs(sampling)]
    lines += _book(preset.common.lorebook, base, "lorebook")
    for language, text in sorted(preset.texts.items()):
        lines += ["", f"[{language}]", *_text(text)]
        lines += _book(text.lorebook, None, f"{language}.lorebook")
    return "\n".join(lines).lstrip("\n") + "\n"


def new_preset_toml(name: str, system: str = "") -> str:
    """The file of a new preset: what else it may hold is offered in comments.

    Args:
        name: what it is called.
        system: its system prompt.
    """
    head = (tr("preset_template.head"), f"name = {toml_value(name)}")
    body = (tr("preset_template.system"), f"system = {toml_value(system)}")
    return "\n".join((*head, "", *body, "", tr("preset_template.offers").strip("\n"), ""))


def toml_value(value: object) -> str:
    """A value as TOML; text of several lines as a block."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        items = [toml_value(item) for item in value]
        short = f"[{', '.join(items)}]"
        if len(short) <= 90 and "\n" not in short:
            return short
        return "[\n" + "".join(f"    {item},\n" for item in items) + "]"
    return _string(str(value))


def _string(text: str) -> str:
    if "\n" not in text:
        return f'"{text.translate(_ESCAPED)}"'
    body = text.translate(_ESCAPED_IN_BLOCK)
    body = _QUOTES.sub(lambda found: '\\"' * len(found[0]), body)
    return f'"""\n{body}"""'


def _pairs(table: Mapping[str, object]) -> Iterator[str]:
    for key, value in table.items():
        if value is not None:
            yield f"{key} = {toml_value(value)}"


def _text(text: PresetText) -> Iterator[str]:
    said = {f.name: getattr(text, f.name) for f in fields(text) if f.name != "lorebook"}
    return _pairs(said)


def _card_book(preset: Preset) -> Lorebook | None:
    book = preset.card.book if preset.card else None
    return None if book is None else lorebook_of_json(book)


def _book(book: Lorebook | None, base: Lorebook | None, table: str) -> Iterator[str]:
    if book is None or book == base:
        return
    yield ""
    yield f"[{table}]"
    plain = Lorebook()
    head = {
        "name": book.name,
        "description": book.description,
        "scan_depth": book.scan_depth,
        "token_budget": book.token_budget,
        "recursive": book.is_recursive,
        "case_sensitive": book.case_sensitive,
        "whole_words": book.whole_words,
    }
    for key, value in head.items():
        field = "is_recursive" if key == "recursive" else key
        if value != getattr(plain, field):
            yield f"{key} = {toml_value(value)}"
    for index, entry in enumerate(book.entries):
        yield ""
        yield f"[[{table}.entries]]"
        yield from _entry(entry, index)


def _entry(entry: LoreEntry, index: int) -> Iterator[str]:
    plain = LoreEntry(id=str(index))
    for field in fields(entry):
        value = getattr(entry, field.name)
        if field.compare and (value != getattr(plain, field.name) or field.name == "content"):
            yield f"{_ENTRY_KEYS.get(field.name, field.name)} = {toml_value(value)}"
