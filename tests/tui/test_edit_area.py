# SPDX-License-Identifier: Apache-2.0
"""What is pasted into a field of several lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from tests.tui.chat_app import running


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"], ids=["CR", "LF", "CRLF"])
async def test_pasted_lines_stay_lines_however_the_terminal_ends_them(
    tmp_path: Path, end: str
) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.open()
        chat.chat.prompt.post_message(events.Paste(f"one{end}{end}two{end}三"))
        await chat.until(lambda: chat.chat.prompt.text == "one\n\ntwo\n三")
