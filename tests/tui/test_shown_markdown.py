# SPDX-License-Identifier: Apache-2.0
"""Whatever an answer is made of, something of it is to be seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.chat_app import Driven, running
from yuren_tui.widgets.markdown import StreamedMarkdown
from yuren_tui.widgets.messages import AssistantMessage
from yuren_tui.widgets.turn_view import TurnView


async def shown(chat: Driven, text: str, pieces: int) -> list[str]:
    """An answer that comes in so many pieces, as the lines below its name."""
    message = AssistantMessage(TurnView(0, False, "model", "", ending=None))
    await chat.chat.transcript._column.mount(message)
    size = max(1, len(text) // pieces)
    for start in range(0, len(text), size):
        message.append(text[start : start + size])
        await chat.pilot.pause(0.05)
    message.ending = "done"
    await chat.until(lambda: not [w for w in chat.app.workers if w.group == "stream"])
    lines = chat.screen_text().splitlines()
    region = message.region
    return [line.strip(" ▌") for line in lines[region.y + 1 : region.bottom]]


@pytest.mark.parametrize("pieces", [1, 4])
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("1. 1.", ["1. 1."]),
        ("-", ["-"]),
        ("- \n- \n", ["-", "-"]),
        ("> ", [">"]),
        ("##", ["##"]),
        ("[here]: http://x", ["[here]: http://x"]),
        ("[](http://x)", ["[](http://x)"]),
        ("```\n```", ["```", "```"]),
        ("```python", ["```python"]),
        ("Two:\n\n1. \n2. b", ["Two:", "", "1.", "2. b"]),
        ("1. a\n2. b", ["1. a", "2. b"]),
        ("1. a\n\n   1. ", ["1. a", "1."]),
    ],
)
async def test_what_would_be_drawn_as_nothing_is_shown_as_it_was_written(
    tmp_path: Path, text: str, lines: list[str], pieces: int
) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.open()
        assert await shown(chat, text, pieces) == lines


@pytest.mark.parametrize("before", ["", "Here it is:\n\n", "- "])
async def test_the_mark_of_a_block_of_code_is_not_seen_while_its_lines_are_to_come(
    tmp_path: Path, before: str
) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.open()
        message = AssistantMessage(TurnView(0, False, "model", "", ending=None))
        await chat.chat.transcript._column.mount(message)
        markdown = message.query_one(StreamedMarkdown)
        for piece in (before, "```python"):
            message.append(piece)
            await chat.until(lambda: markdown.source.endswith(piece))  # noqa: B023 - at once
            await chat.pilot.pause(0.1)
            assert "```" not in chat.screen_text()
        message.append("\nprint(1)\n```")
        message.ending = "done"
        await chat.until(lambda: "print(1)" in chat.screen_text())
        assert "```" not in chat.screen_text()


async def test_an_answer_without_a_word_says_so(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "") as chat:
        await chat.open()
        await chat.ask("Anything?")
        assert "(nothing was written)" in chat.screen_text()
