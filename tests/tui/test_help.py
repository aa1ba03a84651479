# SPDX-License-Identifier: Apache-2.0
"""The list of keys: every binding that can act is in it, in every panel."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.binding import Binding
from textual.widgets import Static

from tests.tui.chat_app import running, words
from yuren_tui.app import ChatApp
from yuren_tui.screens.help import HelpScreen
from yuren_tui.screens.help_order import grouped
from yuren_tui.screens.key_table import key_table


def test_no_binding_is_left_out() -> None:
    table = key_table(ChatApp)
    bindings = [Binding("x", "act", row.words, id=name) for name, row in table.items()]
    shown = {name for _, group in grouped(bindings) for name in group}
    assert shown == table.keys()


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("f12", ["f4", "commands other keys", "Next value"]),
        ("f9", ["Make a copy"]),
        ("f10", ["hold its weights"]),
    ],
)
async def test_a_panel_shows_its_own_keys(tmp_path: Path, key: str, said: list[str]) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await chat.pilot.press(key)
        await chat.until(lambda: chat.app.screen is not chat.chat)
        await chat.pilot.press("f1")
        await chat.until(lambda: isinstance(chat.app.screen, HelpScreen))
        shown = "\n".join(words(line) for line in chat.app.screen.query(Static))
        for word in said:
            assert word in shown


@pytest.mark.parametrize("focus", ["prompt", "messages"])
async def test_what_one_needs_first_comes_first(tmp_path: Path, focus: str) -> None:
    async with running(tmp_path / "log", size=(100, 70)) as chat:
        await chat.open()
        await chat.ask("one")
        await chat.press("alt+up" if focus == "messages" else "end")
        await chat.pilot.press("f1")
        await chat.until(lambda: isinstance(chat.app.screen, HelpScreen))
        shown = "\n".join(words(line) for line in chat.app.screen.query(Static))
        wanted = [
            *("Send the message", "Break the line", "Stop the answer", "Attach a picture"),
            *(
                "Begin a new conversation",
                "All chats",
                "To the messages: walk",
                "Back to the prompt",
            ),
            *("All that can be done", "Set how answers are drawn", "Settings", "Quit\n"),
        ]
        places = [f"{shown}\n".find(word) for word in wanted]
        assert -1 not in places
        assert places == sorted(places)
