# SPDX-License-Identifier: Apache-2.0
"""Write changed settings into the file: the person's comments, order and other keys stay.

A new file holds every setting as a comment, with what it is for, in the language of the person;
a setting that is changed later takes the place of its comment. Written whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yuren_core.i18n import reason_of, tr
from yuren_core.paths import atomic_write
from yuren_tui.settings.faults import SettingsError, at_line
from yuren_tui.settings.kinds import Text
from yuren_tui.settings.schema import BY_NAME, ENTRIES, KEYS, TABLES
from yuren_tui.settings.toml_repair import read_toml

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Item, Table

_HEADER = re.compile(r"\s*\[([^\[\]]+)\]")


def save_settings(path: Path, changes: Mapping[str, object]) -> None:
    """Write some settings.

    Args:
        path: the file; made where it is not there. A link is followed.
        changes: values by `table.key` or `keys.<binding>`, as `schema.changes` gives them; None
            takes the line out.

    Raises:
        SettingsError: the file cannot be read, or is no TOML beyond repair.
        StorageError: it cannot be written; it stays as it was.
    """
    old = _text_of(path)
    text = changed_text(old, changes, path)
    if text != old:
        atomic_write(path.resolve(), text)


def template() -> str:
    """A file with every setting as a comment, in the language of the person."""
    lines = [*_comment(tr("settings.file_head")), ""]
    for table in TABLES:
        lines += [*_comment(tr(f"settings.table.{table}")), f"[{table}]"]
        for entry in ENTRIES:
            if entry.table == table:
                lines += [*_comment(_about(entry.name)), f"# {entry.key} = {_sample(entry.name)}"]
        if table == KEYS:
            lines.append('# "prompt.send" = "enter"')
        lines.append("")
    return "\n".join(lines)


def changed_text(text: str, changes: Mapping[str, object], path: Path = Path("config.toml")) -> str:
    """The file's text with some settings changed; see `save_settings`."""
    import tomlkit

    text = text or template()
    repaired = read_toml(text)
    if not repaired.is_whole:
        bad = repaired.bad[-1]
        raise SettingsError(
            f"{at_line(path, bad.number)}: {tr('settings.bad_toml', reason=bad.reason)}",
            tr("settings.bad_file_unsaved"),
        )
    text = repaired.text
    for name, value in changes.items():
        table, _, key = name.partition(".")
        if value is None:
            text = _without(tomlkit.parse(text), table, key)
        else:
            text = _with(text, table, key, value)
    return text


def _with(text: str, table: str, key: str, value: object) -> str:
    import tomlkit

    item = _item(value)
    document = tomlkit.parse(text)
    place, last = _find(document, table, key)
    if place is not None:
        place[last] = item
        return tomlkit.dumps(document)
    if (uncommented := _uncommented(text, table, key, item.as_string())) is not None:
        return uncommented
    return _appended(text, table, key, item.as_string())


def _without(document: TOMLDocument, table: str, key: str) -> str:
    place, last = _find(document, table, key)
    if place is not None:
        del place[last]
    return document.as_string()


def _find(document: TOMLDocument, table: str, key: str) -> tuple[Table | None, str]:
    """The table that holds a key, however it is nested there, and the key's name in it."""
    place: Any = document.get(table)
    parts = key.split(".")
    for cut in range(len(parts), 0, -1):
        name = ".".join(parts[:cut])
        if isinstance(place, Mapping) and name in place:
            if cut == len(parts):
                return place, name  # type: ignore[return-value]
            found = _find({name: place[name]}, name, ".".join(parts[cut:]))  # type: ignore[arg-type]
            if found[0] is not None:
                return found
    return None, key


def _uncommented(text: str, table: str, key: str, value: str) -> str | None:
    """The text with the comment `# key = …` of a table made the setting; None without one."""
    sample = re.compile(rf"#\s*{re.escape(_key(key))}\s*=")
    lines = text.split("\n")
    for number in _lines_of(lines, table):
        if sample.match(lines[number]):
            changed = "\n".join([*lines[:number], f"{_key(key)} = {value}", *lines[number + 1 :]])
            if read_toml(changed).data.get(table, {}).keys() >= {key}:
                return changed
    return None


def _appended(text: str, table: str, key: str, value: str) -> str:
    """The text with a setting after the last line of its table, which is made where it lacks."""
    lines = text.rstrip("\n").split("\n")
    name = f"{table}.{key}"
    about = [] if table == KEYS else list(_comment(_about(name)))
    added = [*about, f"{_key(key)} = {value}"]
    if not (inside := list(_lines_of(lines, table))):
        return "\n".join([*lines, "", f"[{table}]", *added, ""]).lstrip("\n")
    last = next((n for n in reversed(inside) if lines[n].strip() and lines[n][0] != "#"), inside[0])
    return "\n".join([*lines[: last + 1], *added, *lines[last + 1 :], ""])


def _lines_of(lines: list[str], table: str) -> Iterator[int]:
    """The lines of a table, its header the first."""
    current = None
    for number, line in enumerate(lines):
        if header := _HEADER.match(line):
            current = header[1].strip().strip("\"'")
        if current == table:
            yield number


def _item(value: object) -> Item:
    """A value as TOML; texts of several lines as blocks."""
    import tomlkit

    if isinstance(value, str) and "\n" in value:
        return tomlkit.string(value, multiline=True)
    item: Item = tomlkit.item(list(value) if isinstance(value, tuple) else value)
    return item


def _key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key, re.ASCII) else f'"{key}"'


def _sample(name: str) -> str:
    entry = BY_NAME[name]
    return "1234" if entry.default is None else _item(entry.default).as_string()


def _about(name: str) -> str:
    entry = BY_NAME[name]
    if isinstance(entry.kind, Text):
        return entry.about
    allowed = tr("settings.allowed", what=entry.kind.allowed())
    return tr("settings.about_and_allowed", about=entry.about, allowed=allowed)


def _comment(text: str) -> Iterator[str]:
    return (f"# {line}".rstrip() for line in text.strip().split("\n"))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else tr("settings.not_utf8")
        raise SettingsError(
            f"{at_line(path, None)}: {tr('settings.unreadable', reason=reason)}",
            tr("settings.unreadable_hint"),
        ) from error
