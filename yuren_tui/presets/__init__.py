# SPDX-License-Identifier: Apache-2.0
"""Presets and role play: who the model is, and what it is told of that. No textual, no torch.

    PresetLibrary       ours and the person's: find, create, edit, delete, import, export
    Preset              one preset, in its languages (`preset`)
    assemble, greetings a preset and a history become a prompt and first messages (`assembly`)
    read_card, …        character cards V1 to V3 in JSON, PNG, CHARX (`card_files`)
    read_lorebook, …    lorebooks of their own (`lorebook_json`); active entries (`lore_report`)
    expand              `{{user}}` and its kin (`macros`), and those that nobody knows

Cards, lorebooks and presets come from strangers: what is read is bounded, no URL is fetched, no
path leads out of its directory, and no text becomes anything but text.
"""

from __future__ import annotations

from yuren_tui.presets.assembly import (
    Assembly,
    assemble,
    default_system,
    greetings,
    macro_context,
)
from yuren_tui.presets.card import Card
from yuren_tui.presets.card_conversion import card_of_preset, preset_of_card
from yuren_tui.presets.card_files import card_bytes, card_of_bytes, read_card, write_card
from yuren_tui.presets.errors import CardError, PresetError, UnknownPresetError
from yuren_tui.presets.library import DEFAULT_ID, PresetLibrary
from yuren_tui.presets.library_files import DeletedPreset
from yuren_tui.presets.lore_report import ActiveEntry, LoreReport, LoreState, PassedOverEntry
from yuren_tui.presets.lorebook import Lorebook, LoreEntry
from yuren_tui.presets.lorebook_json import lorebook_bytes, read_lorebook
from yuren_tui.presets.macros import MACRO_NAMES, MacroContext, expand
from yuren_tui.presets.preset import (
    BrokenPreset,
    Preset,
    PresetSampling,
    PresetText,
    ResolvedText,
)
from yuren_tui.presets.unknown_macros import (
    short_warning_of,
    unknown_in,
    unknown_macros,
    warning_of,
)

__all__ = [
    "DEFAULT_ID",
    "MACRO_NAMES",
    "ActiveEntry",
    "Assembly",
    "BrokenPreset",
    "Card",
    "CardError",
    "DeletedPreset",
    "LoreEntry",
    "LoreReport",
    "LoreState",
    "Lorebook",
    "MacroContext",
    "PassedOverEntry",
    "Preset",
    "PresetError",
    "PresetLibrary",
    "PresetSampling",
    "PresetText",
    "ResolvedText",
    "UnknownPresetError",
    "assemble",
    "card_bytes",
    "card_of_bytes",
    "card_of_preset",
    "default_system",
    "expand",
    "greetings",
    "lorebook_bytes",
    "macro_context",
    "preset_of_card",
    "read_card",
    "read_lorebook",
    "short_warning_of",
    "unknown_in",
    "unknown_macros",
    "warning_of",
    "write_card",
]
