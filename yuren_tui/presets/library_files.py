# SPDX-License-Identifier: Apache-2.0
"""A preset on disk: its TOML, its picture and its card, side by side and named alike.

The TOML is written last, so that a preset never names what is not there yet.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from yuren_core.paths import atomic_write, storing
from yuren_tui.presets.card import Card
from yuren_tui.presets.card_files import read_bytes
from yuren_tui.presets.charx import write_charx
from yuren_tui.presets.errors import CardError
from yuren_tui.presets.json_values import dump_json
from yuren_tui.presets.pictures import MAX_PICTURE_BYTES
from yuren_tui.presets.preset import BrokenPreset, Preset
from yuren_tui.presets.toml_text import preset_toml

_SIGNATURES = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif"}


@dataclass(frozen=True, slots=True)
class DeletedPreset:
    """What `PresetLibrary.restore` needs."""

    id: str
    moved: tuple[tuple[Path, Path], ...]


def store(preset: Preset, directory: Path) -> Path:
    """Write a preset's files.

    Returns:
        The TOML file.

    Raises:
        StorageError: they cannot be written.
    """
    avatar, card = _store_picture(preset, directory), None
    if preset.card is not None:
        card = _store_card(preset.card, directory, preset.id)
    path = directory / f"{preset.id}.toml"
    atomic_write(path, preset_toml(preset, avatar=avatar, card=card))
    return path


def copy_picture(source: Path, target: Path) -> None:
    """Copy a picture's file; one that cannot be read is left out.

    Raises:
        StorageError: it cannot be written.
    """
    if source == target:
        return
    try:
        picture = read_bytes(source, limit=MAX_PICTURE_BYTES)
    except CardError:
        return
    atomic_write(target, picture)


def suffix_of_picture(picture: bytes) -> str:
    """The suffix that fits a picture's bytes; "" where they are of no kind that we keep."""
    if picture[8:12] == b"WEBP":
        return ".webp"
    return next((kind for start, kind in _SIGNATURES.items() if picture.startswith(start)), "")


def preset_files(directory: Path) -> list[Path]:
    """The preset files of a directory, by name."""
    try:
        return sorted(path for path in directory.glob("*.toml") if not path.name.startswith("."))
    except OSError:
        return []


def stamp_of(path: Path) -> tuple[int, ...]:
    """What changes when a file does."""
    try:
        status = os.stat(path)  # noqa: PTH116 - the same call for both
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino


def names_of(entry: Preset | BrokenPreset) -> set[str]:
    """All that a preset is called, without case."""
    names = {entry.id.casefold()}
    if isinstance(entry, Preset):
        names |= {entry.name(language).casefold() for language in (*entry.languages, "en")}
    return names


def files_beside(path: Path) -> list[Path]:
    """The files that a preset's own file may have beside it, named after it."""
    stem = path.stem
    names = {f"{stem}.card.json", f"{stem}.card.charx"}
    names |= {f"{stem}{suffix}" for suffix in (".png", ".jpg", ".jpeg", ".webp", ".gif")}
    return [path.with_name(name) for name in sorted(names)]


def move_away(path: Path, trash: Path) -> tuple[tuple[Path, Path], ...]:
    """Move a preset's files into the trash.

    Returns:
        Where each was and is.

    Raises:
        StorageError: they cannot be moved.
    """
    with storing(trash):
        trash.mkdir(exist_ok=True)
    number = time.time_ns()  # never one that is there
    parts = [path, *(part for part in files_beside(path) if part.is_file())]
    moved = tuple((part, trash / f"{number}-{part.name}") for part in parts)
    for source, target in moved:
        with storing(target):
            source.replace(target)
    return moved


def _store_picture(preset: Preset, directory: Path) -> str | None:
    if preset.avatar is not None:
        target = directory / f"{preset.id}{preset.avatar.suffix.lower()}"
        copy_picture(preset.avatar, target)
        return target.name if target.is_file() else None
    picture = preset.card.picture if preset.card else b""
    if suffix := suffix_of_picture(picture):
        atomic_write(directory / f"{preset.id}{suffix}", picture)
        return f"{preset.id}{suffix}"
    return None


def _store_card(card: Card, directory: Path, preset_id: str) -> str:
    if card.assets:
        name, content = f"{preset_id}.card.charx", write_charx(dump_json(card.raw), card.assets)
    else:
        name, content = f"{preset_id}.card.json", dump_json(card.raw, indent=1)
    atomic_write(directory / name, content)
    return name
