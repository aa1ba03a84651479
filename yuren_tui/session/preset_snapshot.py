# SPDX-License-Identifier: Apache-2.0
"""A preset as a chat keeps it: as it was when it was chosen, whatever becomes of its file.

Its picture stays where it is: the chat keeps the path, and shows nothing where that leads nowhere.
A path means nothing on another machine, so exports and imports leave it out.

A snapshot may be megabytes of TOML, and to read or write it takes most of a second: what was read
and written last is kept, so that a thread may do it before it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from yuren_core.errors import YurenError
from yuren_tui.presets import Preset
from yuren_tui.presets.toml_files import preset_of_toml
from yuren_tui.presets.toml_text import preset_toml

_LONG = 50_000  # characters of TOML; they are read in a frame's time
NO_PRESET = Preset("none")


def snapshot_of(preset: Preset) -> dict[str, Any] | None:
    """The preset as the store keeps it with a chat; None for nobody in particular."""
    if preset == NO_PRESET:
        return None
    snapshot = {"id": preset.id, "toml": _written(_Itself(preset))}
    return snapshot | {"avatar": str(preset.avatar.absolute())} if preset.avatar else snapshot


def is_long(snapshot: Mapping[str, Any] | None) -> bool:
    """Whether a snapshot takes long to read."""
    return len(str((snapshot or {}).get("toml", ""))) > _LONG


def preset_of(snapshot: Mapping[str, Any] | None) -> Preset:
    """The preset that a chat was begun with; a bare one where the snapshot cannot be read."""
    snapshot = snapshot or {}
    name, text = snapshot.get("id"), snapshot.get("toml")
    if not isinstance(name, str) or not isinstance(text, str):
        return NO_PRESET
    try:
        preset = _read(name, text)
    except YurenError:
        return NO_PRESET
    avatar = snapshot.get("avatar")
    return replace(preset, avatar=Path(avatar)) if isinstance(avatar, str) else preset


class _Itself:
    """A preset that is equal to none but itself, so that nothing long is compared."""

    def __init__(self, preset: Preset) -> None:
        self.preset = preset

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.preset is other.preset

    def __hash__(self) -> int:
        return id(self.preset)


@lru_cache(maxsize=2)
def _written(itself: _Itself) -> str:
    return preset_toml(itself.preset)


@lru_cache(maxsize=2)
def _read(name: str, text: str) -> Preset:
    return preset_of_toml(text, Path(f"{name}.toml"))
