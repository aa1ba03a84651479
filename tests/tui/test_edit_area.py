# SPDX-License-Identifier: Apache-2.0
"""What terminals send into a field of several lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from tests.tui.chat_app import running
from tests.tui.terminal import Terminal


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"], ids=["CR", "LF", "CRLF"])
async def test_pasted_lines_stay_lines_however_the_terminal_ends_them(
    tmp_path: Path, end: str
) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.open()
        chat.chat.prompt.post_message(events.Paste(f"one{end}{end}two{end}三"))
        await chat.until(lambda: chat.chat.prompt.text == "one\n\ntwo\n三")


@pytest.mark.parametrize("alt_s", ["\x1bs", "\x1b[115;3u"], ids=["escape", "kitty"])
def test_alt_and_a_letter_is_a_key_and_types_nothing(alt_s: str) -> None:
    terminal = Terminal()
    try:
        terminal.wait_for("scripted")
        terminal.type("draft")
        terminal.wait_for("│ draft")
        terminal.type(alt_s)
        terminal.wait_for("─ Settings ─")
        terminal.type("\x1b")
        terminal.wait_for("│ draft  ", "f1 Help")
    finally:
        terminal.close()
