# SPDX-License-Identifier: Apache-2.0
"""A character card as it came: its JSON, whole, with the picture and the files that came along.

V1 is flat; V2 (`chara_card_v2`) and V3 (`chara_card_v3`) hold their fields in `data`. Nothing is
ever taken out of the JSON: what we do not know survives reading and writing. Facts from the
public specifications of character cards V2 and V3.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from yuren_core.i18n import tr
from yuren_tui.presets.decorators import split_decorators
from yuren_tui.presets.errors import CardError
from yuren_tui.presets.json_values import JsonObject, object_of

CardVersion: TypeAlias = Literal[1, 2, 3]

V1_FIELDS = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
V2_TEXTS = ("creator_notes", "system_prompt", "post_history_instructions")
V2_ABOUT = ("creator", "character_version")
SPECS: dict[CardVersion, tuple[str, str]] = {
    2: ("chara_card_v2", "2.0"),
    3: ("chara_card_v3", "3.0"),
}


@dataclass(frozen=True, slots=True)
class Card:
    """A character card.

    Attributes:
        raw: the whole JSON object.
        version: which shape `raw` has.
        picture: the PNG or other picture that shows the character; empty for none.
        assets: files that came along (CHARX, or `chara-ext-asset_` chunks), by their path.
        warnings: what was odd about the file but could be read all the same.
    """

    raw: JsonObject
    version: CardVersion
    picture: bytes = field(default=b"", repr=False)
    assets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def data(self) -> JsonObject:
        """The object that holds the fields: `raw` itself in V1."""
        return self.raw if self.version == 1 else object_of(self.raw, "data")

    @property
    def book(self) -> JsonObject | None:
        """The lorebook's JSON, if it has one."""
        book = self.data.get("character_book")
        return book if isinstance(book, dict) else None


def card_of_json(raw: JsonObject, source: str) -> Card:
    """Take a JSON object for a card.

    Args:
        raw: the object, within the bounds of `load_json`.
        source: what to call it in an error.

    Raises:
        CardError: it is none.
    """
    spec, data = raw.get("spec"), raw.get("data")
    if isinstance(data, dict) and (spec in ("chara_card_v2", "chara_card_v3") or "name" in data):
        return Card(raw, 3 if spec == "chara_card_v3" else 2)
    if isinstance(raw.get("name"), str) and any(key in raw for key in V1_FIELDS[1:]):
        return Card(raw, 1)
    if spec == "lorebook_v3" or "entries" in raw:
        raise CardError(tr("presets.is_lorebook", file=source), tr("presets.is_lorebook_hint"))
    raise CardError(tr("presets.no_card", file=source), tr("presets.card_hint"))


def json_of_version(card: Card, version: CardVersion) -> JsonObject:
    """The card's JSON in the shape of a version, unknown fields and all.

    Args:
        card: any card.
        version: the shape. Its own version gives `card.raw` itself, equal in every value. V2
            made of V3 has no decorators in its lore, as programs that know only V2 would tell
            them to the model.

    Returns:
        A JSON object; a new one unless the version is the card's own.
    """
    if version == card.version:
        return card.raw
    raw = copy.deepcopy(card.raw)
    if card.version == 1:
        data: JsonObject = {key: raw.pop(key) for key in V1_FIELDS if key in raw}
        _fill(data, version)
        raw |= {"spec": SPECS[version][0], "spec_version": SPECS[version][1], "data": data}
        return raw
    data = object_of(raw, "data")
    if version == 1:
        rest = {
            key: value for key, value in raw.items() if key not in ("spec", "spec_version", "data")
        }
        return rest | data
    _fill(data, version)
    if version == 2:
        _strip_decorators(data)
    raw["spec"], raw["spec_version"] = SPECS[version]
    return raw


def _fill(data: JsonObject, version: CardVersion) -> None:
    """Add the fields that the version requires and that are missing, empty."""
    for key in (*V1_FIELDS, *V2_TEXTS, *V2_ABOUT):
        data.setdefault(key, "")
    lists = ("tags", "alternate_greetings", *(("group_only_greetings",) if version == 3 else ()))
    for key in lists:
        data.setdefault(key, [])
    data.setdefault("extensions", {})


def _strip_decorators(data: JsonObject) -> None:
    entries = object_of(data, "character_book").get("entries")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(content := entry.get("content"), str):
            entry["content"] = split_decorators(content)[1]
