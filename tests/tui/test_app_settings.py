# SPDX-License-Identifier: Apache-2.0
"""The settings hold: from the first frame on, and as soon as they are changed in the chat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.tui.chat_app import CHOICE, Driven, running, scripted
from yuren_tui.app import ChatApp
from yuren_tui.screens.help import HelpScreen
from yuren_tui.screens.picture import PictureScreen
from yuren_tui.screens.preset_picker import PresetPicker
from yuren_tui.screens.settings import SettingsScreen
from yuren_tui.session import Session
from yuren_tui.settings import load_settings, settings_path
from yuren_tui.widgets.choice_field import ChoiceField

CAT = Path(__file__).parents[2] / "assets" / "pictures" / "cat.png"


@asynccontextmanager
async def with_file(log: Path, text: str) -> AsyncIterator[Driven]:
    """The chat with a config file."""
    settings_path().parent.mkdir(parents=True, exist_ok=True)
    settings_path().write_text(text, encoding="utf-8")
    loaded = load_settings()
    session = Session(scripted(log), sampling=loaded.settings.sampling)
    app = ChatApp(session, choice=CHOICE, theme=loaded.settings.interface.theme, loaded=loaded)
    try:
        async with app.run_test(size=(80, 24)) as pilot:
            yield Driven(app, pilot, session)
            assert not app._faults, "an unexpected exception: see the log"
    finally:
        await session.client.close()


async def test_they_hold_from_the_start(tmp_path: Path) -> None:
    text = """
    [interface]
    theme = "light"
    high_contrast = true
    reduced_motion = true
    prompt_height = 3
    confirm_quit = true
    [keys]
    "prompt.send" = "f12"
    "app.settings" = "f11"
    """
    async with with_file(tmp_path / "log", text) as chat:
        assert chat.app.theme == "yuren-contrast"
        assert chat.app.animation_level == "none"
        await chat.until(lambda: not chat.chat.prompt.cursor_blink)
        chat.chat.prompt.text = "line\n" * 20
        await chat.pilot.pause()
        assert chat.chat.prompt.outer_size.height == 5
        chat.chat.prompt.text = "hello"
        await chat.pilot.press("f12")
        await chat.until(lambda: chat.questions == ["hello"])
        await chat.pilot.press("ctrl+q")
        assert chat.app.is_running
        assert "Press it again to quit." in chat.toasts


async def test_a_fault_is_named_and_the_rest_holds(tmp_path: Path) -> None:
    async with with_file(tmp_path / "log", "[interface]\nthme = 1\ntheme = 'light'\n") as chat:
        await chat.until(lambda: any("thme" in toast for toast in chat.toasts))
        assert sum(toast.count("Allowed:") for toast in chat.toasts) == 1
        assert chat.app.theme == "yuren-light"


async def test_a_key_that_gets_in_the_way_is_named(tmp_path: Path) -> None:
    async with with_file(tmp_path / "log", '[keys]\n"chat.new" = "ctrl+o"\n') as chat:
        await chat.until(lambda: chat.toasts)
        assert chat.toasts == [
            "ctrl+o is wanted by two: New chat, and Picture. Only one of them will act."
        ]


async def test_what_is_changed_holds_at_once_and_is_written(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await chat.pilot.press("f12")
        await chat.until(lambda: isinstance(chat.app.screen, SettingsScreen))
        screen = chat.app.screen
        screen.query_one("#interface--theme", ChoiceField).value = "light"
        screen.query_one("#person--name").value = "Ann"  # type: ignore[attr-defined]
        screen.query_one("#interface--images", ChoiceField).value = "off"
        await chat.pilot.press("ctrl+s")
        await chat.until(lambda: chat.app.screen is chat.chat)
        await chat.until(lambda: chat.app.theme == "yuren-light")
        assert chat.session.chat.profile.user_name == "Ann"
        assert chat.chat.has_class("-without-pictures")
        assert 'name = "Ann"' in settings_path().read_text(encoding="utf-8")


async def test_pictures_from_the_clipboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "wl-paste"
    tool.write_text(f'#!/bin/sh\ncase "$*" in *list-types*) echo image/png;; *) cat {CAT};; esac\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("WAYLAND_DISPLAY", "w")
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await chat.pilot.press("alt+v")
        await chat.until(lambda: len(chat.chat.pictures.pictures) == 1)
        tool.write_text("#!/bin/sh\necho text/plain\n")
        await chat.pilot.press("alt+v")
        await chat.until(lambda: chat.toasts)
        await chat.pilot.press("alt+o")
        await chat.until(lambda: isinstance(chat.app.screen, PictureScreen))
        await chat.pilot.press("escape")
        chip = chat.chat.query_one("PictureChip")
        chip.focus()
        await chat.pilot.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, PictureScreen))


async def test_a_panels_keys_are_shown_too(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(100, 60)) as chat:
        await chat.pilot.press("f9")
        await chat.until(lambda: isinstance(chat.app.screen, PresetPicker))
        await chat.pilot.press("f1")
        await chat.until(lambda: isinstance(chat.app.screen, HelpScreen))
        await chat.until(lambda: "into a file to share" in chat.screen_text())
