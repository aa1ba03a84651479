# SPDX-License-Identifier: Apache-2.0
"""Bursts of keys act in their order, in a terminal and in the list of chats."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from textual import events

from tests.tui.chat_app import Driven, running
from tests.tui.terminal import Terminal
from yuren_core.messages import Role
from yuren_tui.screens.chat_list import ChatList
from yuren_tui.store import Store


def burst(chat: Driven, text: str, *keys: str) -> None:
    """All of these keys at once, as a terminal gives them after the app was busy."""
    driver = chat.app._driver
    assert driver is not None
    for char in text:
        driver.send_message(events.Key("space" if char == " " else char, char))
    for key in keys:
        driver.send_message(events.Key(key, None))


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ("one two\nthree", ["one two", "three"]),
        ("abc\x7fd", ["abd"]),
        ("ab\x1b[Dc", ["acb"]),
        ("中文\n字\x7f词", ["中文", "词"]),
    ],
)
def test_what_is_typed_at_once_in_a_terminal_stands_as_it_was_typed(
    keys: str, lines: list[str], home: Path
) -> None:
    terminal = Terminal(script=("--answer", "Seen."))
    try:
        terminal.wait_for("Write a message", "scripted")
        terminal.type(f"{keys}\r")
        terminal.wait_for("Seen.")
        with Store.open() as store:
            assert store.messages.path(1)[0].text == "\n".join(lines)
    finally:
        terminal.close()


async def test_a_burst_of_keys_in_the_prompt(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "Yes.") as chat:
        await chat.open()
        burst(chat, "one", "ctrl+j", "t", "w", "backspace", "a")
        burst(chat, "bc", "left", "left", "ctrl+j", "x", "enter")
        burst(chat, "next")
        await chat.until(lambda: chat.turns == ["one\nta\nxbc", "Yes."])
        await chat.until(lambda: chat.chat.prompt.text == "next")


@pytest_asyncio.fixture
async def listed(tmp_path: Path) -> AsyncIterator[Driven]:
    """The list of three chats."""

    def opened() -> Store:
        store = Store.open(tmp_path / "store")
        for title in ("Rivers", "Mountains", "Poems"):
            chat_id = store.chats.create().id
            store.messages.append(chat_id, Role.USER, title)
            store.chats.rename(chat_id, title)
        return store

    async with running(tmp_path / "log", store=opened) as chat:
        await chat.open()
        await chat.pilot.press("ctrl+l")
        await chat.until(lambda: isinstance(chat.app.screen, ChatList))
        yield chat


async def test_enter_right_behind_words_opens_what_they_find(listed: Driven) -> None:
    burst(listed, "Rivers", "enter")
    await listed.until(lambda: listed.app.screen is listed.chat and listed.turns == ["Rivers"])


async def test_delete_right_behind_words_deletes_what_they_find(listed: Driven) -> None:
    page = listed.session.store.chats.page
    burst(listed, "Mountains", "ctrl+d", "home")
    await listed.until(lambda: [chat.title for chat in page(deleted=True)] == ["Mountains"])
    burst(listed, "", *["delete"] * 9, "ctrl+d", "ctrl+d")
    await listed.until(lambda: len(page(deleted=True)) == 3)
