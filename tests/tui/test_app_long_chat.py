# SPDX-License-Identifier: Apache-2.0
"""A long chat: few of its messages are mounted, and scrolling shows all of them in their places."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.tui.chat_app import Driven, running
from yuren_core.messages import Role
from yuren_tui.session import Session
from yuren_tui.store import Store
from yuren_tui.widgets.messages import AssistantMessage

PAIRS = 150


@pytest_asyncio.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Driven]:
    """A chat of three hundred messages."""

    def store() -> Store:
        made = Store.open(tmp_path / "store")
        one = made.chats.create()
        for number in range(PAIRS):
            made.messages.append(one.id, Role.USER, f"question {number}")
            made.messages.append(one.id, Role.ASSISTANT, f"answer {number}\n\n- more\n- of it")
        return made

    opening = Session.continue_last
    async with running(tmp_path / "log", "--echo", store=store, opening=opening) as driven:
        await driven.open()
        await driven.until(lambda: f"answer {PAIRS - 1}" in driven.screen_text())
        yield driven


def numbers(chat: Driven) -> list[int]:
    """The exchanges whose questions are in sight, in order."""
    return [int(n) for n in re.findall(r"question (\d+)", chat.screen_text())]


def lines(chat: Driven) -> list[str]:
    """The lines in sight, without the scroll bar."""
    return [line[:-3] for line in chat.screen_text().splitlines()[:17]]


async def page_up(chat: Driven, *, to: int) -> None:
    """Page up until an exchange is in sight; every one on the way must have been."""
    window, seen = chat.chat.transcript.turns, numbers(chat)[::-1]
    for _ in range(400):
        await chat.pilot.press("pageup")
        await chat.pilot.pause(0.02)
        new = [n for n in numbers(chat)[::-1] if n < seen[-1]]
        assert new == list(range(seen[-1] - 1, seen[-1] - 1 - len(new), -1)), "one was jumped over"
        seen += new
        assert len(window.mounted) <= window.most
        if seen[-1] < to:
            return
    raise AssertionError(f"only at {seen[-1]}")


async def test_few_are_mounted_and_paging_up_passes_every_message_once(chat: Driven) -> None:
    window = chat.chat.transcript.turns
    window.most = 40
    assert len(window.mounted) < 30
    await page_up(chat, to=PAIRS - 40)
    await chat.until(lambda: not [w for w in chat.app.workers if w.group == "window"])
    assert len(chat.chat.query("UserMessage, AssistantMessage")) == len(window.mounted)


async def test_paging_up_jumps_over_none_while_older_ones_are_being_drawn(
    chat: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = AssistantMessage.draw

    async def slowly(message: AssistantMessage) -> None:
        await asyncio.sleep(0.15)
        await draw(message)

    monkeypatch.setattr(AssistantMessage, "draw", slowly)
    await page_up(chat, to=PAIRS - 15)


async def test_what_is_in_sight_stays_while_older_ones_come(chat: Driven) -> None:
    window = chat.chat.transcript.turns
    await chat.press("pageup")
    before = lines(chat)
    mounted = len(window.mounted)
    await window._move(-1)
    await chat.pilot.pause(0.1)
    assert len(window.mounted) > mounted
    assert lines(chat) == before


async def test_what_is_in_sight_stays_when_the_path_is_shown_again_far_above(chat: Driven) -> None:
    window = chat.chat.transcript.turns
    window.most = 40
    while len(window.views) == window._end:
        await chat.press("pageup")
    for _ in range(20):
        await chat.press("pageup")
        before, mounted = lines(chat), window.mounted
        await chat.chat.show_turns()  # as pinning does, and much else
        await chat.pilot.pause(0.05)
        assert lines(chat) == before
        assert set(window.mounted) >= set(mounted)


async def test_the_first_and_the_last_message_are_a_key_away(chat: Driven) -> None:
    await chat.press("ctrl+home")
    await chat.until(lambda: 0 in numbers(chat))
    assert len(chat.chat.transcript.turns.mounted) < 60
    assert not chat.chat.transcript.is_at_end
    await chat.press("ctrl+end")
    await chat.until(lambda: PAIRS - 1 in numbers(chat))
    assert chat.chat.transcript.is_at_end


async def test_walking_down_from_the_first_message_reaches_ones_that_were_not_mounted(
    chat: Driven,
) -> None:
    await chat.press("ctrl+home", "alt+up", "g")
    assert chat.current == "question 0"
    for _ in range(60):
        await chat.press("j")
    assert chat.current == "question 30"
    await chat.until(lambda: 30 in numbers(chat))


async def test_sending_from_far_above_goes_to_the_end(chat: Driven) -> None:
    await chat.press("ctrl+home")
    chat.chat.prompt.text = "the last one"
    await chat.pilot.press("enter")
    await chat.until(lambda: len(chat.session.turns) > 2 * PAIRS)
    await chat.idle()
    assert "the last one" in chat.screen_text()
    window = chat.chat.transcript.turns
    assert len(window.mounted) < 40
    assert len(window.views) == 2 * PAIRS + 2


async def test_resizing_keeps_what_one_reads(chat: Driven) -> None:
    for _ in range(4):
        await chat.press("pageup")
    first = numbers(chat)[0]
    await chat.pilot.resize_terminal(60, 20)
    await chat.pilot.pause(0.1)
    assert numbers(chat)[0] in (first, first + 1)
