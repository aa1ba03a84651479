# SPDX-License-Identifier: Apache-2.0
"""`/image URL` in a conversation of lines: shown, asked, fetched; refused where nobody is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.terminal import Terminal
from tests.tui.test_url_picture import served
from yuren_core.errors import UsageError
from yuren_tui.plain_typing import QuietTerminal
from yuren_tui.plain_url import picture_of_url
from yuren_tui.store import Store


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    opened = Terminal("--plain", script=("--answer", "A cat."), size=(40, 100))
    opened.wait_for("You:")
    yield opened
    opened.close()


def test_a_picture_is_fetched_when_the_person_agrees(terminal: Terminal) -> None:
    with served() as (address, asked):
        terminal.enter(f"/image {address}/to/cat.png")
        terminal.wait_for("127.0.0.1", "led on from", "image/png", "Download it? [y/N]")
        assert not any(line.startswith("GET") for line in asked)
        terminal.enter("y")
        terminal.wait_for("goes with the next message")
        terminal.enter("What is this?")
        terminal.wait_for("Assistant: A cat.")
    with Store.open() as store:
        assert len(store.messages.path(1)[0].images) == 1


@pytest.mark.parametrize("answer", ["\r", "n\r", "yet\r", "\x03", "\x04"])
def test_all_but_yes_is_a_no_and_the_conversation_goes_on(terminal: Terminal, answer: str) -> None:
    with served() as (address, asked):
        terminal.enter(f"/image {address}/cat.png")
        terminal.wait_for("Download it? [y/N]")
        terminal.type(answer)
        terminal.wait_for("It was not downloaded.")
        assert not any(line.startswith("GET") for line in asked)
        terminal.enter("hello")
        terminal.wait_for("Assistant: A cat.")


def test_a_yes_from_before_the_question_is_none(terminal: Terminal) -> None:
    with served() as (address, asked):
        terminal.type(f"/image {address}/cat.png\ry\r")
        terminal.wait_for("Download it? [y/N]")
        terminal.type("\r")
        terminal.wait_for("It was not downloaded.")
        assert not any(line.startswith("GET") for line in asked)


async def test_where_nobody_can_be_asked_no_server_is(tmp_path: Path) -> None:
    with served() as (address, asked), Store.open(tmp_path) as store:
        with pytest.raises(UsageError, match="a person at a terminal"):
            await picture_of_url(f"{address}/cat.png", store, QuietTerminal())
        assert asked == []
