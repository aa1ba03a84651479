# SPDX-License-Identifier: Apache-2.0
"""What a model may write without hurting the terminal or the chat."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input

from tests.tui.chat_app import running
from yuren_core.protocol import Delta
from yuren_tui.widgets.messages import AssistantMessage
from yuren_tui.widgets.turn_view import TurnView

CONTROLS = "\x1b[31mred\x1b]52;c;aGFjaw==\x07 \x00 \x9b2J [b]bold[/b] [@click=app.quit]x[/]"


async def test_sequences_and_markup_are_shown_and_do_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--echo") as chat:
        await chat.ready()
        await chat.ask(CONTROLS)
        text = chat.screen_text()
        assert not [c for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
        assert text.count("␛[31mred") == 2  # the question's and the answer's
        assert "[@click=app.quit]" in text
        assert chat.session.turns[-1].text == CONTROLS


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script> <b>bold</b>",
        "<div>\n\n# inside\n\n</div>\n<!-- comment -->",
        "> " * 500,
        "[" * 3000 + "](x)" * 3000,
        "*" * 5000 + "_" * 5000,
        "`" * 2999 + "\n```\n~~~",
        "| a |\n|---|\n" + "| b |" * 400,
        "- " * 400 + "x",
        "1. a\n" * 300,
        "[x]: y\n[x]\n\n[x](javascript:alert)",
        "a\u2028b\u2029c\x85d\x0be\x0cf",
        "**重点。**后文\n\n" * 50,
        "![a](b.png) ~~s~~ www.example.com <http://x>",
        "```python\n" + "x = 1\n" * 500,
    ],
)
async def test_odd_markdown_in_pieces_breaks_nothing(tmp_path: Path, text: str) -> None:
    async with running(tmp_path / "log", "--answer", "After.") as chat:
        await chat.ready()
        view = AssistantMessage(TurnView(0, False, "model", "", ending=None))
        await chat.chat.transcript._column.mount(view)
        size = max(1, len(text) // 40)
        for start in range(0, len(text), size):
            view.append(text[start : start + size])
            await chat.pilot.pause(0.001)
        view.ending = "done"
        await chat.until(lambda: not [w for w in chat.app.workers if w.group == "stream"])
        assert chat.chat.transcript.virtual_size.height > 0
        await view.remove()
        await chat.ask("Are you there?")
        assert chat.source() == "After."


async def test_a_line_of_a_megabyte_does_not_hang_and_is_kept_whole(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        view = AssistantMessage(TurnView(0, False, "model", "", ending=None))
        await chat.chat.transcript._column.mount(view)
        for _ in range(10):
            view.append("a" * 100_000)
        view.append("\n\nThe end.")
        view.ending = "done"
        await chat.until(lambda: not [w for w in chat.app.workers if w.group == "stream"])
        assert "The end." in chat.screen_text()
        assert "994000 more characters are not shown" in chat.screen_text()


async def test_a_question_of_a_megabyte(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "Long.") as chat:
        await chat.ready()
        chat.chat._answer("b" * 1_000_000, ())
        await chat.until(lambda: chat.answers)
        await chat.idle()
        assert len(chat.session.turns[0].text) == 1_000_000
        assert "more characters" in chat.screen_text()


async def test_two_hundred_tokens_a_second_leave_the_keys_alive(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        view = AssistantMessage(TurnView(0, False, "model", "", ending=None))
        await chat.chat.transcript._column.mount(view)
        for number in range(200):
            view.append(Delta(1, f"word{number} *and* " + "\n\n" * (number % 20 == 0), number).text)
            await chat.pilot.pause(0.005)
            if number % 40 == 0:
                await chat.pilot.press("x")
                assert chat.chat.prompt.text == "x" * (number // 40 + 1)


async def test_a_field_shows_no_control_character(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.pilot.press("ctrl+o", "ctrl+l")
        field = chat.app.screen.query_one(Input)
        await chat.until(lambda: field.has_focus)
        field.post_message(events.Paste("a\x1b[2Jb\x00c\nsecond line"))
        await chat.until(lambda: field.value == "a␛[2Jb␀c")
