# SPDX-License-Identifier: Apache-2.0
"""Lorebooks from and to JSON: a card's `character_book`, `lorebook_v3`, a SillyTavern world.

An entry that was read and not changed is written as it came. One that was changed keeps every
field that we do not know; only what differs is written over it. Facts from the public card
specifications and SillyTavern's documentation.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from yuren_core.attachments import printable
from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_tui.presets.card_files import read_bytes
from yuren_tui.presets.errors import CardError
from yuren_tui.presets.json_values import (
    MAX_BYTES,
    JsonObject,
    JsonValue,
    dump_json,
    flag_of,
    integer_of,
    load_json,
    object_of,
    optional_integer,
    text_of,
    texts_of,
)
from yuren_tui.presets.lorebook import DEFAULT_DEPTH, LOGICS, Lorebook, LoreEntry, Where

MAX_ENTRIES = 50_000
"""Entries of one book that are read."""

_ROLES = (Role.SYSTEM, Role.USER, Role.ASSISTANT)  # by SillyTavern's numbers
_AT_DEPTH = 4
_POSITIONS: dict[int, Where] = {0: "before_char", 5: "before_char", _AT_DEPTH: "at_depth"}
_PLACES: dict[Where, int] = {"before_char": 0, "after_char": 1, "at_depth": _AT_DEPTH}


def read_lorebook(path: Path | str) -> Lorebook:
    """Read a lorebook file of its own.

    Args:
        path: a SillyTavern world, a `lorebook_v3`, or a bare `character_book`.

    Raises:
        CardError: it cannot be read, is none of these, or is too large.
    """
    source = printable(path)
    raw = load_json(read_bytes(path, limit=MAX_BYTES), source)
    book = raw.get("data") if raw.get("spec") == "lorebook_v3" else raw
    if not isinstance(book, dict) or not isinstance(book.get("entries"), (list, dict)):
        raise CardError(tr("presets.no_lorebook", file=source), tr("presets.no_lorebook_hint"))
    return lorebook_of_json(book)


def lorebook_of_json(book: JsonObject) -> Lorebook:
    """A lorebook; what is not understood is left to the defaults, and stays in `source`.

    Args:
        book: an object whose `entries` are a list (cards) or an object by number (worlds).
    """
    is_world = isinstance(book.get("entries"), dict)
    entries = [
        _world_entry(raw, index) if is_world else _card_entry(raw, index)
        for index, raw in enumerate(_raw_entries(book))
    ]
    extensions = object_of(book, "extensions")
    return Lorebook(
        name=text_of(book, "name"),
        description=text_of(book, "description"),
        entries=tuple(entries),
        scan_depth=optional_integer(book, "scan_depth"),
        token_budget=optional_integer(book, "token_budget") or None,
        is_recursive=flag_of(book, "recursive_scanning") or False,
        case_sensitive=flag_of(extensions, "case_sensitive") or False,
        whole_words=flag_of(extensions, "match_whole_words") or False,
        source=book,
        source_format="world" if is_world else "card",
    )


def lorebook_json(book: Lorebook) -> JsonObject:
    """A lorebook as a card's `character_book`; the very JSON it was read from if that says it.

    Args:
        book: any lorebook; entries of a SillyTavern world become a card's.
    """
    source = book.source if book.source_format == "card" else None
    if source is not None and _is_untouched(book, source):
        return source
    entries: list[JsonValue] = [_entry_json(entry) for entry in book.entries]
    raw: JsonObject = {k: copy.deepcopy(v) for k, v in (source or {}).items() if k != "entries"}
    raw["entries"] = entries
    extensions = object_of(raw, "extensions")
    raw["extensions"] = extensions
    before = lorebook_of_json(raw | {"entries": []})
    for key, new, old in (
        ("name", book.name, before.name),
        ("description", book.description, before.description),
        ("scan_depth", book.scan_depth, before.scan_depth),
        ("token_budget", book.token_budget, before.token_budget),
        ("recursive_scanning", book.is_recursive, before.is_recursive),
    ):
        _set(raw, key, new, old)
    _set(extensions, "case_sensitive", book.case_sensitive, before.case_sensitive)
    _set(extensions, "match_whole_words", book.whole_words, before.whole_words)
    return raw


def lorebook_bytes(book: Lorebook) -> bytes:
    """A lorebook as a file of its own holds it: `lorebook_v3`."""
    return dump_json({"spec": "lorebook_v3", "data": lorebook_json(book)}, indent=2) + b"\n"


# ---------------------------------------------------------------- reading


def _raw_entries(book: JsonObject) -> Iterator[JsonObject]:
    entries = book.get("entries")
    values = list(entries.values() if isinstance(entries, dict) else entries or ())  # type: ignore[arg-type]
    return (raw for raw in values[:MAX_ENTRIES] if isinstance(raw, dict))


def _card_entry(raw: JsonObject, index: int) -> LoreEntry:
    extensions = object_of(raw, "extensions")
    position = optional_integer(extensions, "position")
    where: Where = "before_char" if raw.get("position") == "before_char" else "after_char"
    if position is not None:
        where = _POSITIONS.get(position, where)
    secondary = texts_of(raw, "secondary_keys")
    case_sensitive = flag_of(raw, "case_sensitive")
    entry = _of_extensions(extensions)
    return replace(
        entry,
        id=text_of(raw, "id") or str(index),
        name=text_of(raw, "name") or text_of(raw, "comment"),
        content=text_of(raw, "content"),
        keys=_keys(texts_of(raw, "keys")),
        secondary_keys=_keys(secondary) if raw.get("selective") is True else (),
        enabled=raw.get("enabled") is not False,
        is_constant=flag_of(raw, "constant") or False,
        uses_regex=flag_of(raw, "use_regex") or False,
        case_sensitive=entry.case_sensitive if case_sensitive is None else case_sensitive,
        order=integer_of(raw, "insertion_order", 100),
        priority=optional_integer(raw, "priority"),
        where=where,
        source=raw,
        source_format="card",
    )


def _world_entry(raw: JsonObject, index: int) -> LoreEntry:
    """An entry of a SillyTavern world: flat, and with other names."""
    renamed: JsonObject = raw | {
        "exclude_recursion": raw.get("excludeRecursion"),
        "prevent_recursion": raw.get("preventRecursion"),
        "delay_until_recursion": raw.get("delayUntilRecursion"),
        "match_whole_words": raw.get("matchWholeWords"),
        "case_sensitive": raw.get("caseSensitive"),
        "scan_depth": raw.get("scanDepth"),
        "group_weight": raw.get("groupWeight"),
        "group_override": raw.get("groupOverride"),
    }
    secondary = texts_of(raw, "keysecondary")
    return replace(
        _of_extensions(renamed),
        id=text_of(raw, "uid") or str(index),
        name=text_of(raw, "comment"),
        content=text_of(raw, "content"),
        keys=_keys(texts_of(raw, "key")),
        secondary_keys=_keys(secondary) if raw.get("selective", True) else (),
        enabled=raw.get("disable") is not True,
        is_constant=flag_of(raw, "constant") or False,
        order=integer_of(raw, "order", 100),
        where=_POSITIONS.get(integer_of(raw, "position", 0), "after_char"),
        source=raw,
        source_format="world",
    )


def _of_extensions(table: JsonObject) -> LoreEntry:
    """What SillyTavern keeps in a card entry's `extensions`."""
    logic = integer_of(table, "selectiveLogic", 0)
    role = integer_of(table, "role", 0)
    probability = integer_of(table, "probability", 100)
    return LoreEntry(
        logic=LOGICS[logic] if 0 <= logic < len(LOGICS) else "and_any",
        case_sensitive=flag_of(table, "case_sensitive"),
        whole_words=flag_of(table, "match_whole_words"),
        scan_depth=optional_integer(table, "scan_depth"),
        depth=max(0, integer_of(table, "depth", DEFAULT_DEPTH)),
        role=_ROLES[role] if 0 <= role < len(_ROLES) else Role.SYSTEM,
        probability=100 if table.get("useProbability") is False else probability,
        sticky=max(0, integer_of(table, "sticky", 0)),
        cooldown=max(0, integer_of(table, "cooldown", 0)),
        delay=max(0, integer_of(table, "delay", 0)),
        is_recursable=table.get("exclude_recursion") is not True,
        activates_others=table.get("prevent_recursion") is not True,
        waits_for_recursion=bool(table.get("delay_until_recursion")),
        group=text_of(table, "group"),
        group_weight=max(0, integer_of(table, "group_weight", 100)),
        group_override=flag_of(table, "group_override") or False,
    )


def _keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(key for key in keys if key.strip())


# ---------------------------------------------------------------- writing


def _is_untouched(book: Lorebook, source: JsonObject) -> bool:
    return lorebook_of_json(source) == book


def _entry_json(entry: LoreEntry) -> JsonObject:
    if entry.source is None or entry.source_format == "world":
        raw: JsonObject = {}
        if entry.source is not None:  # a world's own fields, for who reads it back there
            raw["extensions"] = {"world_entry": copy.deepcopy(entry.source)}
    else:
        if _card_entry(entry.source, 0) == replace(entry, id=_card_entry(entry.source, 0).id):
            return entry.source
        raw = copy.deepcopy(entry.source)
    extensions = object_of(raw, "extensions")
    required: JsonObject = {"keys": [], "content": "", "enabled": True, "insertion_order": 100}
    raw = required | raw
    raw["extensions"] = extensions
    old = _card_entry(raw, 0)
    for key, field in _FIELDS.items():
        new = getattr(entry, field)
        if new != getattr(old, field):
            raw[key] = list(new) if isinstance(new, tuple) else new
    if entry.id.isdecimal() and "id" not in raw:
        raw["id"] = int(entry.id)
    if entry.secondary_keys != old.secondary_keys:
        raw["secondary_keys"] = list(entry.secondary_keys)
        raw["selective"] = bool(entry.secondary_keys)
    if entry.where != old.where:
        raw["position"] = "before_char" if entry.where == "before_char" else "after_char"
        extensions["position"] = _PLACES[entry.where]
    for key, field in _EXTENSIONS.items():
        new = getattr(entry, field)
        if new != getattr(old, field):
            extensions[key] = new
    if entry.logic != old.logic:
        extensions["selectiveLogic"] = LOGICS.index(entry.logic)
    if entry.role != old.role:
        extensions["role"] = _ROLES.index(entry.role)
    if entry.is_recursable != old.is_recursable:
        extensions["exclude_recursion"] = not entry.is_recursable
    if entry.activates_others != old.activates_others:
        extensions["prevent_recursion"] = not entry.activates_others
    if entry.probability != old.probability:
        extensions |= {"probability": entry.probability, "useProbability": True}
    return raw


def _set(table: JsonObject, key: str, new: JsonValue, old: JsonValue) -> None:
    if new == old:
        return
    if new is None:
        table.pop(key, None)
    else:
        table[key] = new


_FIELDS = {
    "name": "name",
    "content": "content",
    "keys": "keys",
    "enabled": "enabled",
    "constant": "is_constant",
    "use_regex": "uses_regex",
    "case_sensitive": "case_sensitive",
    "insertion_order": "order",
    "priority": "priority",
}
_EXTENSIONS = {
    "match_whole_words": "whole_words",
    "scan_depth": "scan_depth",
    "depth": "depth",
    "sticky": "sticky",
    "cooldown": "cooldown",
    "delay": "delay",
    "delay_until_recursion": "waits_for_recursion",
    "group": "group",
    "group_weight": "group_weight",
    "group_override": "group_override",
}
