# SPDX-License-Identifier: Apache-2.0
"""Short notices: where they stand, and how long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.widgets import TextArea

from tests.tui.chat_app import CHOICE, Driven, scripted
from yuren_core.i18n import use_language
from yuren_tui import notices
from yuren_tui.app import ChatApp
from yuren_tui.notices import rack_of
from yuren_tui.session import Session

LONG = "A line that is as wide as the whole terminal, or a little wider even than that is, say."


@asynccontextmanager
async def shown(log: Path, *options: str) -> AsyncIterator[Driven]:
    """The chat of 80 columns and 24 lines, with its notices on the screen, too."""
    session = Session(scripted(log, *options))
    app = ChatApp(session, choice=CHOICE)
    try:
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            chat = Driven(app, pilot, session)
            await chat.open()
            yield chat
            assert not app._faults, "an unexpected exception: see the log"
    finally:
        await session.client.close()
        session.close()


async def until_shown(chat: Driven, *texts: str) -> str:
    await chat.until(lambda: all(text in chat.screen_text() for text in texts))
    return chat.screen_text()


def covered(chat: Driven) -> list[str]:
    """What of the screen's own lines notices cover."""
    screen = chat.app.screen
    rack = rack_of(screen)
    assert rack is not None
    toasts = [toast.region for holder in rack.children for toast in holder.children]
    assert toasts
    assert all(region.height for region in toasts)
    others = [child for child in screen.children if child is not rack and child.region]
    return [str(child) for child in others if any(map(child.region.overlaps, toasts))]


@pytest.mark.parametrize("key", ["", "ctrl+e", "f9", "ctrl+o", "ctrl+l", "f2", "ctrl+r"])
async def test_a_notice_covers_nothing(tmp_path: Path, key: str) -> None:
    async with shown(tmp_path / "log", "--echo") as chat:
        if key:
            await chat.pilot.press(key)
            await chat.until(lambda: chat.app.screen is not chat.chat)
        chat.app.notify(f"{LONG}\nAnd a hint.", markup=False)
        await until_shown(chat, "A line that is as wide", "And a hint.")
        await chat.until(lambda: covered(chat) == [])


@pytest.mark.parametrize("key", ["ctrl+l", "f9"])
async def test_below_a_list_it_follows_the_frame_and_leaves_the_status_in_sight(
    tmp_path: Path, key: str
) -> None:
    async with shown(tmp_path / "log", "--echo") as chat:
        await chat.pilot.press(key)
        await chat.until(lambda: chat.app.screen is not chat.chat)
        panel = chat.app.screen.query_one("#panel")
        await chat.until(lambda: panel.region.bottom == 22)
        status = chat.screen_text().splitlines()[22]
        assert "scripted" in status
        chat.app.notify("Something happened.\nAnd a hint.", timeout=60)
        await until_shown(chat, "Something happened.", "And a hint.")
        await chat.until(lambda: panel.region.bottom == 20)
        lines = chat.screen_text().splitlines()
        assert lines[19].startswith("╰")
        assert [line.strip(" ▌▐") for line in lines[20:22]] == [
            "Something happened.",
            "And a hint.",
        ]
        assert lines[22] == status


async def test_in_the_chat_it_stands_above_the_prompt_and_goes(tmp_path: Path) -> None:
    async with shown(tmp_path / "log", "--echo") as chat:
        await chat.ask("one")
        prompt = chat.chat.prompt.region
        chat.app.notify("Something happened.", timeout=1)
        lines = (await until_shown(chat, "Something happened.")).splitlines()
        assert chat.chat.prompt.region == prompt
        assert "Something happened." in lines[prompt.y - 1]
        assert chat.chat.transcript.is_at_end
        await chat.until(lambda: "Something happened." not in chat.screen_text())
        assert chat.chat.transcript.is_at_end


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_wrong_commands_do_not_pile_up(tmp_path: Path, language: str) -> None:
    use_language(language)
    async with shown(tmp_path / "log", "--echo") as chat:
        for line in ("/xylophone", "/open 12345", "/nonsense"):
            await chat.ask(line, wait=False)
            await until_shown(chat, line.split()[-1].strip("/"))
            await chat.until(lambda: len(chat.toasts) == 1)
        assert "/nonsense" in chat.toasts[0]


async def test_the_same_words_are_said_once(tmp_path: Path) -> None:
    async with shown(tmp_path / "log") as chat:
        for _ in range(3):
            chat.app.notify("Copied.")
        await chat.until(lambda: chat.toasts == ["Copied."])
        rack = rack_of(chat.chat)
        await chat.until(lambda: rack and len(rack.children) == 1)


async def test_a_notice_that_could_be_read_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shown(tmp_path / "log") as chat:
        chat.app.notify("first")
        chat.app.notify("of the same moment")
        await until_shown(chat, "first", "of the same moment")
        monkeypatch.setattr(notices, "_READ_S", 0.0)
        chat.app.notify("last")
        await chat.until(lambda: chat.toasts == ["last"])
        await until_shown(chat, "last")
        assert "first" not in chat.screen_text()


async def test_a_notice_goes_with_what_it_is_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yuren_tui.screens.base.TOGETHER_S", 0.0)
    async with shown(tmp_path / "log", "--echo") as chat:
        await chat.ask("one")
        await chat.press("alt+up", "d")
        await until_shown(chat, "u brings them back")
        await chat.press("u")
        await chat.until(lambda: "u brings them back" not in chat.screen_text())
        await chat.press("d")
        await until_shown(chat, "u brings them back")
        await chat.pilot.press("ctrl+l")
        await chat.until(lambda: chat.app.screen is not chat.chat)
        await chat.pilot.press("ctrl+d")
        await until_shown(chat, "Ctrl+Z brings it back.")
        assert "u brings them back" not in chat.screen_text()
        await chat.pilot.press("ctrl+z")
        await chat.until(lambda: "Ctrl+Z brings it back." not in chat.screen_text())


async def test_a_panel_that_opens_leaves_older_notices_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shown(tmp_path / "log") as chat:
        monkeypatch.setattr("yuren_tui.screens.base.TOGETHER_S", 0.0)
        chat.app.notify("An old one.")
        await until_shown(chat, "An old one.")
        await chat.pilot.press("ctrl+e")
        await chat.until(lambda: chat.app.screen is not chat.chat)
        await chat.until(lambda: "An old one." not in chat.screen_text())
        assert chat.app.screen.query(TextArea)
