# SPDX-License-Identifier: Apache-2.0
"""Read the settings: command line over environment over file over defaults.

A key that is unknown or wrong is a fault with its line and what is allowed; all faults are found
at once, and everything else is used. A file that is not there is no fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from yuren_core.i18n import catalogue, reason_of, tr
from yuren_core.paths import config_dir
from yuren_tui.settings.faults import Fault, at_line, wrong_value
from yuren_tui.settings.key_names import canonical_key, is_typed
from yuren_tui.settings.schema import BY_NAME, ENTRIES, KEYS, TABLES, with_value
from yuren_tui.settings.toml_repair import Repaired, read_toml
from yuren_tui.settings.values import Settings

Origin: TypeAlias = Literal["file", "environment", "command line"]

MAX_BYTES = 4 * 1024 * 1024
"""The largest file that is read."""

_TYPED_GROUPS = ("prompt", "edit", "chat", "app")  # they act while a person writes


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings in force, and where they come from.

    Attributes:
        settings: what to use.
        path: the file, which need not exist.
        faults: what could not be used, in the order of the file.
        origins: where a setting was said, by `table.key`; one that is absent is a default.
    """

    settings: Settings
    path: Path
    faults: tuple[Fault, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)


def settings_path() -> Path:
    """Where the settings lie."""
    return config_dir() / "config.toml"


def load_settings(
    path: Path | None = None,
    *,
    environment: Mapping[str, str] = MappingProxyType({}),
    command_line: Mapping[str, object] = MappingProxyType({}),
) -> LoadedSettings:
    """Read all settings.

    Args:
        path: the file; `settings_path()` where it is None.
        environment: variables, of which `YUREN_<TABLE>_<KEY>` are read.
        command_line: values by `table.key`, only those that the person gave, checked already.

    Returns:
        The settings and their faults; never raises for what people have written.
    """
    path = settings_path() if path is None else path
    settings, faults, origins = Settings(), list[Fault](), dict[str, Origin]()
    text, unreadable = _text_of(path)
    faults += unreadable
    repaired = read_toml(text)
    for bad in repaired.bad:
        message = tr("settings.bad_toml", reason=bad.reason)
        hint = tr("settings.bad_line" if repaired.is_whole else "settings.bad_file")
        faults.append(Fault(at_line(path, bad.number), message, hint))
    for name, value in _said(repaired.data):
        where = at_line(path, _line_of(repaired, name))
        outcome = _take(settings, name, value, where)
        if isinstance(outcome, Fault):
            faults.append(outcome)
        else:
            settings, origins[name] = outcome, "file"
    for entry in ENTRIES:
        if (said := environment.get(entry.variable)) is None:
            continue
        try:
            settings = with_value(settings, entry.name, entry.kind.parse(said))
            origins[entry.name] = "environment"
        except ValueError:
            faults.append(wrong_value(entry.variable, entry.name, said, entry.kind.allowed()))
    for name, value in command_line.items():
        settings, origins[name] = with_value(settings, name, value), "command line"
    return LoadedSettings(settings, path, tuple(faults), origins)


def binding_ids() -> frozenset[str]:
    """Every binding that can be given other keys; the catalogue has a word for each."""
    return frozenset(
        key.removeprefix("binding.") for key in catalogue("en") if key.startswith("binding.")
    )


def checked_keys(binding: str, value: object) -> tuple[str, ...]:
    """The keys of a binding, in Textual's names.

    Args:
        binding: its id.
        value: one text with commas, or a list of texts.

    Raises:
        ValueError: no key is called so, there is none, or the person could no longer write with
            it. Its argument is what is wrong.
    """
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not names:
        raise ValueError(value)
    keys = []
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(name if name else value)
        key = canonical_key(name)
        if is_typed(key) and binding.split(".")[0] in _TYPED_GROUPS:
            raise ValueError(name)
        keys.append(key)
    return tuple(dict.fromkeys(keys))


def _text_of(path: Path) -> tuple[str, list[Fault]]:
    """The file's text; empty, with the fault, where it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise OSError(tr("settings.too_large", limit=MAX_BYTES // 2**20))
        return data.decode("utf-8-sig").replace("\r\n", "\n"), []
    except FileNotFoundError:
        return "", []
    except OSError as error:
        reason = reason_of(error)
    except UnicodeDecodeError:
        reason = tr("settings.not_utf8")
    message = tr("settings.unreadable", reason=reason)
    return "", [Fault(at_line(path, None), message, tr("settings.unreadable_hint"))]


def _said(data: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What the file says, one value at a time, by `table.key`."""
    for table, rows in data.items():
        if table == KEYS and isinstance(rows, Mapping):
            yield from _flat_keys(KEYS, rows)
        elif table in TABLES and isinstance(rows, Mapping):
            for key, value in rows.items():
                yield f"{table}.{key}", value
        else:
            yield table, rows


def _flat_keys(prefix: str, rows: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """`"chat.new" = …`, `chat.new = …` and `[keys.chat] new = …` are the same."""
    for key, value in rows.items():
        if isinstance(value, Mapping):
            yield from _flat_keys(f"{prefix}.{key}", value)
        else:
            yield f"{prefix}.{key}", value


def _take(settings: Settings, name: str, value: object, where: str) -> Settings | Fault:
    """The settings with what a line says, or what is wrong with it."""
    table, _, key = name.partition(".")
    if table == KEYS and key:
        return _take_keys(settings, key, value, where)
    if (entry := BY_NAME.get(name)) is not None:
        try:
            return with_value(settings, name, entry.kind.check(value))
        except ValueError:
            return wrong_value(where, name, value, entry.kind.allowed())
    if table in TABLES and not key:
        return wrong_value(where, name, value, tr("settings.allowed_table"))
    elsewhere = [entry.name for entry in ENTRIES if entry.key == (key or table)]
    here = [entry.key for entry in ENTRIES if entry.table == table and key]
    names = elsewhere or here or TABLES
    message = tr("settings.unknown", name=name)
    return Fault(where, message, tr("settings.allowed", what=", ".join(names)))


def _take_keys(settings: Settings, binding: str, value: object, where: str) -> Settings | Fault:
    known = binding_ids()
    name = f"{KEYS}.{binding}"
    if binding not in known:
        group = binding.split(".")[0]
        near = sorted(one for one in known if one.split(".")[0] == group)
        groups = sorted({one.split(".")[0] for one in known})
        message = tr("settings.unknown_binding", name=binding)
        return Fault(where, message, tr("settings.allowed", what=", ".join(near or groups)))
    try:
        keys = checked_keys(binding, value)
    except ValueError as error:
        wrong = error.args[0] if error.args else value
        allowed = tr("settings.allowed_key")
        if isinstance(wrong, str) and binding.split(".")[0] in _TYPED_GROUPS:
            allowed = tr("settings.allowed_key_while_writing")
        return wrong_value(where, name, wrong, allowed)
    return replace(settings, keys=MappingProxyType({**settings.keys, binding: keys}))


def _line_of(repaired: Repaired, name: str) -> int | None:
    from yuren_tui.presets.toml_lines import line_of

    return line_of(repaired.text, name.split("."))
