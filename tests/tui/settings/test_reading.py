# SPDX-License-Identifier: Apache-2.0
"""What is wrong in the settings is named with its line and what is allowed; the rest is used."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.keys import _character_to_key

from yuren_core.i18n import use_language
from yuren_tui.settings import (
    ENTRIES,
    Settings,
    binding_ids,
    checked_keys,
    load_settings,
    template,
    value_of,
    with_value,
)
from yuren_tui.settings.key_names import canonical_key, character_name
from yuren_tui.settings.schema import TABLES
from yuren_tui.settings.toml_repair import read_toml


def read(tmp_path: Path, text: str, **environment: str) -> tuple[Settings, list[str]]:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    loaded = load_settings(path, environment=environment)
    return loaded.settings, [str(fault).removeprefix(f"{path}") for fault in loaded.faults]


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    loaded = load_settings(tmp_path / "none.toml")
    assert (loaded.settings, loaded.faults, loaded.origins) == (Settings(), (), {})


def test_every_value_has_its_entry_and_every_default_is_allowed() -> None:
    named = set()
    for table in fields(Settings):
        values = getattr(Settings(), table.name)
        if is_dataclass(values):
            named |= {f"{table.name}.{key.name}" for key in fields(values)}
    assert named == {entry.name for entry in ENTRIES}
    for entry in ENTRIES:
        raw = list(entry.default) if isinstance(entry.default, tuple) else entry.default
        assert entry.kind.check(raw) == entry.default
        assert entry.kind.parse(entry.kind.text(entry.default)) == entry.default


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_sample_file_says_nothing_and_names_everything(tmp_path: Path, language: str) -> None:
    use_language(language)
    settings, faults = read(tmp_path, template())
    assert (settings, faults) == (Settings(), [])
    awake = "\n".join(
        line.removeprefix("# ") if " = " in line and line.isascii() else line
        for line in template().splitlines()
    )
    data = read_toml(awake).data
    assert list(data) == list(TABLES)
    for entry in ENTRIES:
        assert entry.key in data[entry.table]


def test_all_faults_are_found_at_once_and_the_rest_is_used(tmp_path: Path) -> None:
    settings, faults = read(
        tmp_path,
        """\
theme = "dark"
[interface]
theme = "nord"
imagse = "off"
prompt_height = 2
this is no line
mouse = "no"
[sampling]
temperature = nan
top_k = 1.5
top_p = 0.5
[keys]
"prompt.send" = "a"
"app.help" = "f99"
"prompt.sent" = "f9"
chat.new = "Ctrl+G, f12"
[plugins]
a = 1
""",
    )
    assert [fault.splitlines()[0] for fault in faults] == [
        ", line 6: not valid TOML: Expected '=' after a key in a key/value pair",
        ", line 1: there is no setting theme",
        ", line 4: there is no setting interface.imagse",
        ", line 5: interface.prompt_height cannot be 2",
        ", line 7: interface.mouse cannot be 'no'",
        ", line 9: sampling.temperature cannot be nan",
        ", line 10: sampling.top_k cannot be 1.5",
        ", line 13: keys.prompt.send cannot be 'a'",
        ", line 14: keys.app.help cannot be 'f99'",
        ", line 15: there is no command prompt.sent that a key could have",
        ", line 17: there is no setting plugins",
    ]
    hints = "\n".join(fault.splitlines()[1] for fault in faults)
    for allowed in ("interface.theme", "images, mouse", "from 3 to 60", "true, false", "0 to 2"):
        assert allowed in hints
    assert "prompt.newline, prompt.send" in hints
    assert settings.interface.theme == "nord"
    assert settings.sampling.top_p == 0.5
    assert settings.keymap == {"chat.new": "ctrl+g,f12"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "it is not UTF-8"),
        (b"[interface\ntheme='x'", "not valid TOML"),
        (b"a = '''", "not valid TOML"),
        (b"keys = 3", "keys cannot be 3"),
        (b"interface = 'x'", "interface cannot be 'x'"),
        (b"[[interface]]", "interface cannot be"),
        (b"[person]\nname = 'a\\u0000'", ""),
    ],
)
def test_a_file_of_any_kind_is_read_or_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    loaded = load_settings(path)
    assert loaded.settings.interface == Settings().interface
    assert any(said in fault.message for fault in loaded.faults) or not said


def test_a_directory_in_its_place_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in load_settings(tmp_path).faults[0].message


@given(st.text(st.characters(codec="utf-8")) | st.binary().map(lambda b: b.decode("latin-1")))
def test_no_text_ends_the_reading(text: str) -> None:
    read_toml(text)


def test_command_line_wins_over_environment_over_file_over_default(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[sampling]\ntop_k = 1\nseed = 1\nmin_p = 0.1\n", encoding="utf-8")
    environment = {"YUREN_SAMPLING_TOP_K": "2", "YUREN_SAMPLING_SEED": "2", "YUREN_HOME": "x"}
    loaded = load_settings(
        path, environment=environment, command_line={"sampling.seed": 3, "model.load": "8bit"}
    )
    sampling = loaded.settings.sampling
    assert (sampling.min_p, sampling.top_k, sampling.seed) == (0.1, 2, 3)
    assert loaded.origins == {
        "sampling.min_p": "file",
        "sampling.top_k": "environment",
        "sampling.seed": "command line",
        "model.load": "command line",
    }


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    settings, faults = read(tmp_path, "[interface]\nmouse = false\n", YUREN_INTERFACE_MOUSE="maybe")
    assert settings.interface.mouse is False
    assert faults == [
        "YUREN_INTERFACE_MOUSE: interface.mouse cannot be 'maybe'\nAllowed: true, false."
    ]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("Ctrl+N", "ctrl+n"),
        ("control+n", "ctrl+n"),
        ("shift+ctrl+N", "ctrl+shift+n"),
        ("esc", "escape"),
        ("Return", "enter"),
        ("PgUp", "pageup"),
        ("?", "question_mark"),
        ("question_mark", "question_mark"),
        ("ctrl+/", "ctrl+slash"),
        ("ctrl++", "ctrl+plus"),
        ("+", "plus"),
        ("shift+a", "A"),
        ("alt+Enter", "alt+enter"),
        ("cmd+c", "super+c"),
        ("é", "é"),
    ],
)
def test_a_key_may_be_written_in_several_ways(written: str, key: str) -> None:
    assert canonical_key(written) == key


@pytest.mark.parametrize("name", ["", "ctrl+", "foo", "ctrl+foo", "cntrl+a", "f0", "f25", "a+b"])
def test_what_no_key_is_called_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        canonical_key(name)


def test_characters_are_called_as_textual_calls_them() -> None:
    for char in map(chr, range(0x21, 0x7F)):
        assert character_name(char) == _character_to_key(char)
        assert canonical_key(char) == _character_to_key(char)
        assert canonical_key(_character_to_key(char)) == _character_to_key(char)


@pytest.mark.parametrize(
    ("binding", "value", "keys"),
    [
        ("chat.new", "f3, ctrl+y", ("f3", "ctrl+y")),
        ("chat.new", ["f3", "F3"], ("f3",)),
        ("modal.up", "w", ("w",)),
        ("chat.new", "w", None),
        ("prompt.send", "space", None),
        ("chat.new", "", None),
        ("chat.new", [], None),
        ("chat.new", 3, None),
        ("chat.new", ["f3", 3], None),
    ],
)
def test_keys_of_a_binding(binding: str, value: object, keys: tuple[str, ...] | None) -> None:
    if keys is None:
        with pytest.raises(ValueError):
            checked_keys(binding, value)
    else:
        assert checked_keys(binding, value) == keys


def test_bindings_are_known_without_their_classes() -> None:
    assert {"prompt.send", "app.quit", "modal.close"} <= binding_ids()


def test_settings_are_read_without_textual_and_pydantic(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[interface]\ntheme = "x"\n[keys]\nchat.new = "f3"\n', encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from yuren_tui.settings import load_settings;"
        f"assert load_settings(Path({str(path)!r})).settings.interface.theme == 'x';"
        "print([m for m in ('textual', 'pydantic', 'tomlkit', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_with_value_changes_one_value_only() -> None:
    changed = with_value(Settings(), "sampling.seed", 3)
    assert value_of(changed, "sampling.seed") == 3
    assert with_value(changed, "sampling.seed", None) == Settings()
