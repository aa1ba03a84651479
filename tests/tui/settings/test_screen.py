# SPDX-License-Identifier: Apache-2.0
"""The settings screen: validated as one types, saved as one likes, keys caught as pressed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Button, Input, Static, TextArea

from tests.tui.chat_app import Driven, running, words
from yuren_core.errors import StorageError
from yuren_core.i18n import use_language
from yuren_tui.app import ChatApp
from yuren_tui.screens.key_table import conflicts, key_table, keys_of
from yuren_tui.screens.settings import SettingsScreen
from yuren_tui.screens.settings_keys import CaptureScreen, KeysScreen
from yuren_tui.settings import (
    ENTRIES,
    Keys,
    Settings,
    binding_ids,
    checked_keys,
    load_settings,
    settings_path,
)
from yuren_tui.widgets.choice_field import ChoiceField
from yuren_tui.widgets.choices import Choices

OLD = """\
# mine
[interface]
theme = "nord"  # I like it
images = "sixle"
"""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


class Opened:
    """The screen, opened over the chat."""

    def __init__(self, chat: Driven) -> None:
        self.chat = chat
        self.results: list[Settings | None] = []

    async def open(self, environment: Mapping[str, str] | None = None) -> SettingsScreen:
        loaded = load_settings(environment=environment or {}, command_line={"model.load": "8bit"})
        screen = SettingsScreen(
            loaded, suggestions={"interface.theme": ("yuren-dark", "yuren-light", "nord")}
        )
        self.chat.app.push_screen(screen, self.results.append)
        await self.chat.until(lambda: screen.is_current and screen.query(ChoiceField))
        return screen

    async def closed(self) -> Settings | None:
        await self.chat.until(lambda: self.results)
        return self.results[-1]


@pytest.fixture
def config() -> Path:
    path = settings_path()
    path.parent.mkdir(parents=True)
    path.write_text(OLD, encoding="utf-8")
    return path


async def test_what_is_changed_is_written_and_nothing_else(tmp_path: Path, config: Path) -> None:
    async with running(tmp_path / "log", size=(110, 40)) as chat:
        opened = Opened(chat)
        screen = await opened.open()
        screen.query_one("#interface--theme", ChoiceField).focus()
        await chat.pilot.press("right")
        screen.query_one("#person--name", Input).value = "李雷"
        screen.query_one("#person--persona", TextArea).text = "two\nlines"
        screen.query_one("#interface--mouse", ChoiceField).focus()
        await chat.pilot.press("space")
        screen.query_one("#sampling--seed", Input).value = "7"
        await chat.pilot.press("ctrl+s")
        settings = await opened.closed()
    assert settings is not None
    assert settings.interface.theme == "yuren-dark"
    assert settings.model.load == "8bit", "the command line's stays in force"
    text = text_of(config)
    assert text.startswith(OLD.replace("nord", "yuren-dark"))
    assert "8bit" not in text, "and is not written"
    read = load_settings().settings
    assert read == replace(settings, model=read.model)
    assert (read.person.name, read.person.persona) == ("李雷", "two\nlines")
    assert (read.interface.mouse, read.sampling.seed) == (False, 7)


async def test_a_wrong_value_is_said_at_once_and_not_saved(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(110, 40)) as chat:
        opened = Opened(chat)
        screen = await opened.open()
        field = screen.query_one("#sampling--temperature", Input)
        field.value = "hot"
        await chat.pilot.pause()
        row = screen.query_one("#row--sampling--temperature")
        assert words(row.query_one(".range", Static)) == "✕ Allowed: a number from 0 to 2."
        await chat.pilot.press("ctrl+s")
        assert chat.app.screen is screen
        assert field.has_focus
        field.value = "0.5"
        await chat.pilot.press("enter")
        settings = await opened.closed()
    assert settings is not None
    assert settings.sampling.temperature == 0.5


async def test_esc_and_saving_nothing_write_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(110, 40)) as chat:
        opened = Opened(chat)
        screen = await opened.open()
        screen.query_one("#person--name", Input).value = "x"
        await chat.pilot.press("escape")
        assert await opened.closed() is None
        await opened.open()
        await chat.pilot.press("ctrl+s")
        await chat.until(lambda: opened.results == [None, None])
    assert not settings_path().exists()


async def test_faults_and_origins_are_shown(tmp_path: Path, config: Path) -> None:
    async with running(tmp_path / "log", size=(110, 40)) as chat:
        screen = await Opened(chat).open({"YUREN_SAMPLING_TOP_K": "5"})
        assert "line 4: interface.images cannot be 'sixle'" in words(
            screen.query_one("#faults", Static)
        )
        row = screen.query_one("#row--sampling--top_k")
        assert "YUREN_SAMPLING_TOP_K" in words(row.query_one(".range", Static))
        row = screen.query_one("#row--model--load")
        assert "command line" in words(row.query_one(".range", Static))
        await chat.pilot.press("escape")


async def test_what_cannot_be_written_is_said_and_stays_on_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StorageError("cannot write: no space", "Free some.")

    monkeypatch.setattr("yuren_tui.screens.settings.save_settings", refuse)
    async with running(tmp_path / "log", size=(110, 40)) as chat:
        screen = await Opened(chat).open()
        screen.query_one("#person--name", Input).value = "x"
        await chat.pilot.click("#save")
        await chat.until(lambda: "no space" in chat.screen_text())
        assert chat.app.screen is screen
        await chat.pilot.press("escape")


@pytest.mark.parametrize(("language", "size"), [("en", (80, 24)), ("zh", (120, 40))])
async def test_every_setting_can_be_reached_by_keys(
    tmp_path: Path, language: str, size: tuple[int, int]
) -> None:
    use_language(language)
    async with running(tmp_path / "log", size=size) as chat:
        screen = await Opened(chat).open()
        seen = set()
        for _ in range(len(ENTRIES) + 4):
            if chat.app.focused is not None:
                seen.add(str(chat.app.focused.id).replace("--", "."))
            await chat.pilot.press("tab")
        assert {entry.name for entry in ENTRIES} <= seen
        assert {"save", "keys", "cancel"} <= {str(button.id) for button in screen.query(Button)}
        await chat.pilot.press("escape")


async def chosen(chat: Driven, screen: KeysScreen, binding: str) -> None:
    place = [row.binding for row in screen._rows].index(binding)
    screen.query_one(Choices).highlighted = place
    await chat.pilot.pause()


async def test_a_key_is_caught_whatever_it_would_do(tmp_path: Path) -> None:
    results: list[Keys | None] = []
    async with running(tmp_path / "log", size=(110, 40)) as chat:
        screen = KeysScreen({})
        chat.app.push_screen(screen, results.append)
        await chat.until(lambda: screen.query(Choices) and screen.query_one(Choices).option_count)
        await chosen(chat, screen, "chat.new")
        for key, caught in (("ctrl+q", "ctrl+q"), ("f1", "f1"), ("ctrl+p", "ctrl+p")):
            await chat.pilot.press("enter")
            await chat.until(lambda: isinstance(chat.app.screen, CaptureScreen))
            await chat.pilot.press(key)
            await chat.until(lambda: chat.app.screen is screen)
            assert screen._keys == {"chat.new": (caught,)}
        assert "Commands" in words(screen.query_one("#conflicts", Static))
        await chat.pilot.press("a")
        await chat.until(lambda: isinstance(chat.app.screen, CaptureScreen))
        await chat.pilot.press("x")
        assert isinstance(chat.app.screen, CaptureScreen), "a letter could not be typed any more"
        await chat.pilot.press("f9")
        await chat.until(lambda: chat.app.screen is screen)
        assert screen._keys == {"chat.new": ("ctrl+p", "f9")}
        await chat.pilot.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, CaptureScreen))
        await chat.pilot.press("escape")
        await chat.until(lambda: chat.app.screen is screen)
        await chat.pilot.press("delete")
        assert screen._keys == {}
        await chosen(chat, screen, "modal.up")
        await chat.pilot.press("enter", "w")
        await chat.until(lambda: screen._keys == {"modal.up": ("w",)})
        await chat.pilot.press("ctrl+s")
        await chat.until(lambda: results)
    assert results == [{"modal.up": ("w",)}]


async def test_keys_go_into_the_file_and_act(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(110, 40)) as chat:
        opened = Opened(chat)
        screen = await opened.open()
        await chat.pilot.press("f4")
        await chat.until(lambda: isinstance(chat.app.screen, KeysScreen))
        keys = chat.app.screen
        assert isinstance(keys, KeysScreen)
        await chat.until(lambda: keys.query(Choices) and keys.query_one(Choices).option_count)
        await chosen(chat, keys, "prompt.send")
        await chat.pilot.press("enter", "f9")
        await chat.until(lambda: chat.app.screen is keys and keys._keys)
        await chat.pilot.press("ctrl+s")
        await chat.until(lambda: chat.app.screen is screen)
        await chat.pilot.press("ctrl+s")
        settings = await opened.closed()
        assert settings is not None
        assert load_settings().settings.keymap == settings.keymap == {"prompt.send": "f9"}
        chat.app.set_keymap(settings.keymap)
        chat.chat.prompt.text = "hello"
        await chat.pilot.press("f9")
        await chat.until(lambda: chat.questions == ["hello"])


def test_the_table_has_every_binding_with_keys_that_could_be_set() -> None:
    table = key_table(ChatApp)
    assert {"prompt.send", "app.quit", "modal.close", "picture.zoom", "edit.undo"} <= table.keys()
    assert binding_ids() >= table.keys()
    for row in table.values():
        assert checked_keys("modal.x", list(row.keys)) == tuple(dict.fromkeys(row.keys))
        assert row.words


@pytest.mark.parametrize(
    ("keys", "pairs"),
    [
        ({}, []),
        ({"chat.new": ("ctrl+o",)}, [("ctrl+o", "chat.new", "chat.attach")]),
        ({"chat.new": ("ctrl+o",), "chat.attach": ("ctrl+n",)}, []),
        ({"app.theme": ("enter",)}, [("enter", "app.theme", "prompt.send")]),
        ({"prompt.send": ("ctrl+n",)}, [("ctrl+n", "prompt.send", "chat.new")]),
        ({"picker.type": ("f3",), "sampling.reset": ("f3",)}, []),
        ({"unknown.binding": ("f3",)}, []),
    ],
)
def test_what_gets_in_the_way_is_named(
    keys: dict[str, tuple[str, ...]], pairs: list[tuple[str, str, str]]
) -> None:
    table = key_table(ChatApp)
    found = [(one.key, one.binding, one.other) for one in conflicts(keys, table)]
    for pair in pairs:
        assert pair in found
    assert bool(found) == bool(pairs)
    assert keys_of(table["chat.new"], {}) == table["chat.new"].keys
