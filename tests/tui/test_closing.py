# SPDX-License-Identifier: Apache-2.0
"""Panels that are left before they are drawn, and a chat that is left while keys still come."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.screen import Screen

from tests.tui.chat_app import Driven, running
from tests.tui.terminal import Terminal
from yuren_tui.screens import presets
from yuren_tui.store import Store


def press(chat: Driven, *keys: str) -> None:
    """Keys as a terminal gives them: nobody waits for what they do."""
    driver = chat.app._driver
    assert driver is not None
    for key in keys:
        driver.send_message(events.Key(key, key if len(key) == 1 else None))


def under_way(chat: Driven, screen: Screen[Any]) -> list[str]:
    """Groups of what is being done for a screen, and not cancelled yet."""
    return [
        worker.group
        for worker in chat.app.workers
        if screen in worker.node.ancestors_with_self
        and not worker.is_finished
        and not worker._cancelled
    ]


@pytest.mark.parametrize(
    ("key", "group", "slow"),
    [("f9", "avatars", (presets, "avatar_lines")), ("ctrl+l", "chats", (Store, "search"))],
)
async def test_what_is_read_for_a_panel_ends_as_soon_as_it_is_left(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    group: str,
    slow: tuple[object, str],
) -> None:
    goes_on = threading.Event()
    does = getattr(*slow)

    def waits(*args: Any, **options: Any) -> object:
        goes_on.wait(60)
        return does(*args, **options)

    monkeypatch.setattr(*slow, waits)
    async with running(tmp_path / "log", store=lambda: Store.open(tmp_path / "store")) as chat:
        try:
            await chat.open()
            await chat.pilot.press(key)
            await chat.until(lambda: chat.app.screen is not chat.chat)
            panel = chat.app.screen
            if key == "ctrl+l":
                await chat.pilot.press("x")
            await chat.until(lambda: group in under_way(chat, panel))
            panel.dismiss(None)
            # Not once the panel's lists are gone, which it would look for in vain.
            assert under_way(chat, panel) == []
        finally:
            goes_on.set()
        await chat.until(lambda: chat.app.screen is chat.chat)
        await chat.pilot.pause(0.1)


@pytest.mark.parametrize("key", ["f9", "ctrl+l", "f10", "ctrl+o", "ctrl+e", "ctrl+r", "f12"])
async def test_a_panel_that_is_left_at_once_leaves_no_fault(tmp_path: Path, key: str) -> None:
    async with running(tmp_path / "log", "--echo") as chat:
        await chat.open()
        press(chat, key)
        await chat.until(lambda: chat.app.screen is not chat.chat)
        press(chat, "escape")
        await chat.until(lambda: chat.app.screen is chat.chat)
        await chat.pilot.pause(0.1)


async def test_keys_behind_the_one_that_quits_are_dropped(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--echo") as chat:
        await chat.open()
        await chat.ask("one")
        press(chat, "alt+up", "enter", "escape", "ctrl+q", *"and typing on", "enter")
        await chat.until(lambda: not chat.app.is_running)
    assert (chat.app.return_code, chat.app._faults) == (0, [])


def test_a_chat_is_left_at_once_with_keys_on_their_way(home: Path) -> None:
    terminal = Terminal(script=("--answer", "Seen."))
    try:
        terminal.wait_for("Write a message", "scripted")
        terminal.enter("one")
        terminal.wait_for("Seen.")
        terminal.type("\x1b[1;3A\r")
        terminal.wait_for("Copy")
        terminal.type("\x1b[27u\x11and typing on\r")  # Esc as kitty tells it, Ctrl+Q
        for _ in range(20):
            terminal.type("more\r")
        assert terminal.end() == 0
        assert not (home / "logs" / "chat.log").exists()
    finally:
        terminal.close()
