# SPDX-License-Identifier: Apache-2.0
"""All presets: ours in `assets/presets`, the person's in the config directory.

A person's preset hides ours of the same id. Ours are never written: what is changed is saved
among the person's. A file that cannot be read is listed as broken, with its error; it takes
nothing else along. Deleting moves files into `.trash`, from where they can be restored. Reads
the disk when asked and remembers files that have not changed; it may be used from one thread
at a time.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

from yuren_core.attachments import printable
from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_core.paths import atomic_write, config_dir, require_parent, storing
from yuren_core.shipped import assets_dir
from yuren_tui.presets.card_conversion import card_of_preset, preset_of_card
from yuren_tui.presets.card_files import read_card, write_card
from yuren_tui.presets.errors import PresetError, UnknownPresetError
from yuren_tui.presets.library_files import (
    DeletedPreset,
    copy_picture,
    move_away,
    names_of,
    preset_files,
    stamp_of,
    store,
    suffix_of_picture,
)
from yuren_tui.presets.names import check_id, id_of_name
from yuren_tui.presets.preset import BrokenPreset, Preset, PresetText
from yuren_tui.presets.toml_files import preset_of_toml, read_preset
from yuren_tui.presets.toml_text import new_preset_toml, preset_toml

DEFAULT_ID = "assistant"
"""The preset of a chat that names none."""

CARD_SUFFIXES = (".json", ".png", ".charx")


class PresetLibrary:
    """The presets of one person.

    Args:
        own: the person's directory; `presets` in the config directory by default.
        shipped: ours; `assets/presets` by default.
    """

    def __init__(self, own: Path | None = None, shipped: Path | None = None) -> None:
        self.own = own or config_dir() / "presets"
        self.shipped = shipped or assets_dir() / "presets"
        self._read: dict[Path, tuple[tuple[int, ...], Preset]] = {}

    # ------------------------------------------------------------ finding

    def entries(self) -> tuple[Preset | BrokenPreset, ...]:
        """All presets, the default first, the person's next, then ours, each by id."""
        found = {path.stem: path for path in (*preset_files(self.shipped), *preset_files(self.own))}
        entries = [self._entry(path) for path in found.values()]

        def rank(entry: Preset | BrokenPreset) -> tuple[bool, bool, str]:
            is_own = isinstance(entry, BrokenPreset) or entry.is_own
            return entry.id != DEFAULT_ID, not is_own, entry.id

        return tuple(sorted(entries, key=rank))

    def presets(self) -> tuple[Preset, ...]:
        """Those of `entries` that can be used."""
        return tuple(entry for entry in self.entries() if isinstance(entry, Preset))

    def default(self) -> Preset:
        """The preset of a chat that names none; ours, where the person's own is broken."""
        try:
            return self.get(DEFAULT_ID)
        except YurenError:
            return read_preset(self.shipped / f"{DEFAULT_ID}.toml")

    def get(self, name: str) -> Preset:
        """A preset by its id, or by its name in any language, in any case of letters.

        Raises:
            UnknownPresetError: there is none; the hint names those that are near.
            PresetError, CardError: there is one, and it cannot be read.
        """
        for directory in (self.own, self.shipped):
            for path in preset_files(directory):
                if path.stem == name:
                    return self._load(path)
        entries = self.entries()
        wanted = name.strip().casefold()
        for entry in entries:
            names = names_of(entry)
            if wanted in names:
                if isinstance(entry, BrokenPreset):
                    raise entry.error
                return entry
        ids = [entry.id for entry in entries]
        near = difflib.get_close_matches(wanted, ids, n=3) or ids
        raise UnknownPresetError(
            tr("presets.unknown", name=printable(name)),
            tr("presets.unknown_hint", names=", ".join(near[:30])),
        )

    def resolve(self, name_or_path: str) -> Preset:
        """What `--preset` means: a name, or a file that is used without being imported.

        Raises:
            UnknownPresetError, PresetError, CardError: as `get` and `read_file`.
        """
        path = Path(name_or_path)
        path = path.expanduser() if name_or_path.startswith("~") else path
        is_path = path.suffix.lower() in (".toml", *CARD_SUFFIXES) or len(path.parts) > 1
        return self.read_file(path) if is_path else self.get(name_or_path)

    def read_file(self, path: Path) -> Preset:
        """A preset file or a character card, wherever it lies.

        Raises:
            PresetError, CardError: it cannot be read.
        """
        if path.suffix.lower() == ".toml":
            return read_preset(path)
        card = read_card(path)
        is_picture = bool(suffix_of_picture(card.picture)) and path.suffix.lower() == ".png"
        preset = preset_of_card(card, id=id_of_name(path.stem), avatar=path if is_picture else None)
        return replace(preset, path=path)

    # ------------------------------------------------------------ changing

    def new_id(self, name: str) -> str:
        """An id that is not taken, made from a name."""
        return id_of_name(name, {entry.id for entry in self.entries()})

    def create(self, name: str, *, system: str = "") -> Preset:
        """A new preset of the person's, saved; its file offers in comments what else it may hold.

        Raises:
            StorageError: it cannot be written.
        """
        path = self.own / f"{self.new_id(name)}.toml"
        atomic_write(path, new_preset_toml(name, system))
        return self._load(path)

    def save(self, preset: Preset) -> Preset:
        """Write a preset among the person's, with its picture and card beside it.

        Args:
            preset: any preset; one of ours is saved as the person's, and hides ours from now on.

        Returns:
            The preset as it is read back.

        Raises:
            PresetError: its id cannot name a file.
            StorageError: it cannot be written; what was there stays.
        """
        check_id(preset.id)
        path = store(preset, self.own)
        self._read.pop(path, None)
        return self._load(path)

    def duplicate(self, preset: Preset) -> Preset:
        """A copy of the person's, saved under a new id, with the id's number in its names.

        Raises:
            StorageError: it cannot be written.
        """
        new_id = self.new_id(preset.id)
        number = new_id.rpartition("-")[2]

        def renamed(text: PresetText) -> PresetText:
            return replace(text, name=f"{text.name} {number}") if text.name else text

        copied = replace(
            preset,
            id=new_id,
            common=renamed(preset.common),
            texts={language: renamed(text) for language, text in preset.texts.items()},
        )
        return self.save(copied)

    def editable(self, preset: Preset) -> Path:
        """The file to open in an editor: the person's own, or a copy of ours made for it.

        A copy is ours word for word, comments too. Read it with `get` afterwards.

        Raises:
            StorageError: it cannot be written.
        """
        target = self.own / f"{check_id(preset.id)}.toml"
        if target.exists():
            return target
        if preset.path is None or preset.path.parent != self.shipped:
            return self.save(preset).path or target
        if preset.avatar is not None:
            copy_picture(preset.avatar, self.own / preset.avatar.name)
        atomic_write(target, preset.path.read_bytes())
        return target

    def check(self, text: str, name: str) -> Preset:
        """Whether a text may be the file of a preset, before it is saved.

        Raises:
            PresetError, CardError: as `read_preset`.
        """
        return preset_of_toml(text, self.own / f"{check_id(name)}.toml", is_own=True)

    def delete(self, preset_id: str) -> DeletedPreset:
        """Move a preset of the person's into the trash. Ours of the same id shows again.

        Raises:
            PresetError: it is one of ours, which stay.
            StorageError: it cannot be moved.
        """
        path = self.own / f"{preset_id}.toml"
        if not path.is_file() or path not in preset_files(self.own):
            raise PresetError(
                tr("presets.not_own", id=printable(preset_id)), tr("presets.not_own_hint")
            )
        moved = move_away(path, self.own / ".trash")
        self._read.pop(path, None)
        return DeletedPreset(preset_id, moved)

    def restore(self, deleted: DeletedPreset) -> Preset:
        """Take a deleted preset back.

        Raises:
            PresetError: another of that id has come since, or the trash was emptied.
        """
        if any(source.exists() or not target.exists() for source, target in deleted.moved):
            raise PresetError(tr("presets.not_restored", id=deleted.id), "")
        for source, target in deleted.moved:
            with storing(source):
                target.replace(source)
        return self._load(self.own / f"{deleted.id}.toml")

    # ------------------------------------------------------------ sharing

    def import_file(self, path: Path) -> Preset:
        """Take a preset file or a character card among the person's, under an id of its own.

        The card of what is read back has the `warnings` of the file.

        Raises:
            PresetError, CardError: it cannot be read.
            StorageError: it cannot be written.
        """
        preset = self.read_file(path)
        name = preset.name("en") if preset.card else preset.id
        saved = self.save(replace(preset, id=self.new_id(name)))
        if preset.card is None or saved.card is None:
            return saved
        return replace(saved, card=replace(saved.card, warnings=preset.card.warnings))

    def export(self, preset: Preset, path: Path, *, language: str) -> None:
        """Write a preset to share, in the format of the file's suffix.

        Args:
            preset: any preset.
            path: .toml, with the picture beside it; or .json, .png, .charx for a card.
            language: which of its languages a card speaks; a .toml file holds all.

        Raises:
            UsageError: the directory is not there.
            CardError: another suffix, or a picture that cannot be read.
            StorageError: it cannot be written.
        """
        require_parent(path)
        if path.suffix.lower() != ".toml":
            write_card(card_of_preset(preset, language), path)
            return
        picture = None
        if preset.avatar is not None and preset.avatar.is_file():
            picture = path.with_suffix(preset.avatar.suffix)
            copy_picture(preset.avatar, picture)
        whole = replace(preset, card=None)
        atomic_write(path, preset_toml(whole, avatar=picture.name if picture else None))

    # ------------------------------------------------------------ private

    def _entry(self, path: Path) -> Preset | BrokenPreset:
        try:
            return self._load(path)
        except YurenError as error:
            return BrokenPreset(path.stem, path, error)

    def _load(self, path: Path) -> Preset:
        stamp = stamp_of(path)
        known = self._read.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        preset = read_preset(path, is_own=path.parent == self.own)
        self._read[path] = (stamp, preset)
        return preset
