# SPDX-License-Identifier: Apache-2.0
"""Saving keeps what the person wrote: comments, order, spacing, even what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuren_core.errors import StorageError
from yuren_tui.settings import (
    ENTRIES,
    Settings,
    SettingsError,
    changes,
    load_settings,
    save_settings,
    with_value,
)
from yuren_tui.settings.kinds import Choice, Flag, Number, Text
from yuren_tui.settings.schema import Entry
from yuren_tui.settings.writing import changed_text

MINE = """\
# mine

[interface]   # looks
theme = "nord"   # I like it
  mouse=false
imagse = "off"

# keys below
[keys]
chat.new = "f3"
'app.help' = "f2"  # moved
[sampling]
seed = 4
"""


def lines_changed(old: str, new: str) -> list[str]:
    return [line for line in new.splitlines() if line not in old.splitlines()]


def test_a_changed_value_changes_its_line_only() -> None:
    new = changed_text(MINE, {"interface.theme": "yuren-light", "interface.mouse": True})
    assert lines_changed(MINE, new) == ['theme = "yuren-light"   # I like it', "  mouse=true"]
    assert len(new.splitlines()) == len(MINE.splitlines())


def test_a_new_value_stands_at_the_end_of_its_table() -> None:
    new = changed_text(MINE, {"interface.images": "off"})
    assert new.index('imagse = "off"') < new.index('\nimages = "off"') < new.index("# keys below")


def test_keys_are_found_however_they_are_written() -> None:
    new = changed_text(
        MINE,
        {"keys.chat.new": ("f8", "ctrl+g"), "keys.app.help": ("f1",), "keys.prompt.send": None},
    )
    assert lines_changed(MINE, new) == [
        'chat.new = ["f8", "ctrl+g"]',
        "'app.help' = [\"f1\"]  # moved",
    ]


def test_none_takes_a_line_out() -> None:
    new = changed_text(MINE, {"sampling.seed": None, "keys.app.help": None, "keys.chat.new": None})
    assert "seed" not in new
    assert "f2" not in new
    assert "f3" not in new


def test_a_table_that_lacks_is_made() -> None:
    new = changed_text("# only this\n", {"model.load": "8bit"})
    assert new.startswith("# only this\n\n[model]\n# ")
    assert new.endswith('load = "8bit"\n')


def test_a_line_that_is_no_toml_becomes_a_comment_when_saved(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[interface]\nmouse = no\ntheme = "x"\n', encoding="utf-8")
    save_settings(path, {"interface.theme": "y"})
    assert path.read_text(encoding="utf-8") == '[interface]\n#✕ mouse = no\ntheme = "y"\n'


def test_a_file_beyond_repair_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("a = '''open", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"config\.toml") as caught:
        save_settings(path, {"interface.theme": "y"})
    assert "not changed" in caught.value.hint
    assert path.read_text(encoding="utf-8") == "a = '''open"


def test_what_cannot_be_written_is_said_and_the_old_file_stays(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises((StorageError, SettingsError)):
        save_settings(tmp_path / "file" / "config.toml", {"interface.theme": "y"})


def test_a_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles.toml", tmp_path / "config.toml"
    target.write_text(MINE, encoding="utf-8")
    link.symlink_to(target)
    save_settings(link, {"interface.theme": "y"})
    assert link.is_symlink()
    assert load_settings(target).settings.interface.theme == "y"


def test_in_a_new_file_a_setting_takes_the_place_of_its_comment(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "config.toml"
    save_settings(path, {"interface.theme": "nord"})
    text = path.read_text(encoding="utf-8")
    assert text.count("theme = ") == 1
    assert "# images = " in text
    save_settings(path, {"interface.images": "off"})
    text = path.read_text(encoding="utf-8")
    assert "# images = " not in text
    assert load_settings(path).faults == ()


def values(entry: Entry) -> st.SearchStrategy[object]:
    match entry.kind:
        case Flag():
            return st.booleans()
        case Choice(words):
            return st.sampled_from(words)
        case Text(is_long, _):
            banned = "\0\r" if is_long else "\0\r\n"
            return st.text(st.characters(codec="utf-8", exclude_characters=banned)).map(
                lambda text: text if text.strip() else "x"
            )
        case Number(is_whole=True):
            return st.integers(20, 60)
        case Number():
            return st.floats(0.5, 0.9)
        case _:
            return st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=3).map(
                tuple
            )


@given(
    st.fixed_dictionaries({}, optional={entry.name: values(entry) for entry in ENTRIES}),
    st.sampled_from(["", MINE]),
)
def test_what_is_saved_is_read_again(said: Mapping[str, object], text: str) -> None:
    from yuren_tui.settings.reading import _said, _take
    from yuren_tui.settings.toml_repair import read_toml

    wanted = Settings()
    for name, value in said.items():
        wanted = with_value(wanted, name, value)
    wanted = replace(wanted, keys={"chat.new": ("f3", "ctrl+g")})
    written = changed_text(text, {**said, "keys.chat.new": ("f3", "ctrl+g")})
    found = Settings()
    for name, value in _said(read_toml(written).data):
        taken = _take(found, name, value, "")
        found = taken if isinstance(taken, Settings) else found
    for name in said:
        assert name not in changes(wanted, found)
    assert found.keys["chat.new"] == ("f3", "ctrl+g")


def test_changes_are_what_differs() -> None:
    old = replace(Settings(), keys={"chat.new": ("f3",)})
    new = replace(with_value(Settings(), "interface.mouse", False), keys={"app.help": ("f2",)})
    assert changes(old, new) == {
        "interface.mouse": False,
        "keys.app.help": ("f2",),
        "keys.chat.new": None,
    }
    assert changes(new, new) == {}
