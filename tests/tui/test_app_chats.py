# SPDX-License-Identifier: Apache-2.0
"""The list of chats: found, opened, renamed, put away, deleted and brought back; files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from textual.widgets import Input

from tests.tui.chat_app import Driven, running
from yuren_core.i18n import use_language
from yuren_core.messages import Role
from yuren_tui.relative_time import relative_time
from yuren_tui.screens.ask_line import AskLine
from yuren_tui.screens.chat_list import ChatList
from yuren_tui.store import Store

TITLES = ("Rivers of France", "Poems about the sea", "西湖十景")


@pytest_asyncio.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Driven]:
    """A new chat beside three older ones, with the list open."""

    def store() -> Store:
        made = Store.open(tmp_path / "store")
        for title in TITLES:
            one = made.chats.create(model="starter")
            made.messages.append(one.id, Role.USER, f"Tell me of {title}.")
            made.messages.append(one.id, Role.ASSISTANT, "The Seine is a river; 断桥残雪。")
            made.chats.rename(one.id, title)
        return made

    async with running(tmp_path / "log", "--answer", "Yes.", store=store) as driven:
        await driven.open()
        await driven.pilot.press("ctrl+l")
        await driven.until(lambda: isinstance(driven.app.screen, ChatList) and rows(driven))
        yield driven


def rows(chat: Driven) -> list[str]:
    """The titles in the list, in order."""
    screen = chat.app.screen
    assert isinstance(screen, ChatList)
    return [summary.title for summary, _ in screen._rows]


async def typed(chat: Driven, text: str) -> None:
    """Type a title or a path, and press Enter."""
    await chat.until(lambda: isinstance(chat.app.screen, AskLine))
    chat.app.screen.query_one("#line", Input).value = text
    await chat.pilot.press("enter")


async def test_the_footer_begins_with_what_one_needs_most(chat: Driven) -> None:
    def footer() -> str:
        return chat.screen_text().splitlines()[-1].strip()

    await chat.until(lambda: footer().startswith("⏎ Open esc Close f2 Rename ^d Delete ^x Export"))
    await chat.pilot.press("ctrl+d")
    await chat.until(lambda: "^d Delete ^z Undelete" in footer())


async def test_the_newest_comes_first_with_time_model_and_size(chat: Driven) -> None:
    assert rows(chat) == list(reversed(TITLES))
    text = chat.screen_text()
    assert "just now" in text
    assert "starter · 2 messages · #3" in text


def newest_lines(chat: Driven) -> list[str]:
    """What stands on the line of the newest chat's title and the one below."""
    lines = [line.strip(" │▎") for line in chat.screen_text().splitlines()]
    place = next(n for n, line in enumerate(lines) if line.startswith(TITLES[-1]))
    return lines[place : place + 2]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_row_fits_the_list_when_it_opens_and_when_it_fills_again(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    def store() -> Store:
        made = Store.open(tmp_path / "store")
        for title in TITLES * 9:  # more than there is room for: a scroll bar takes a column
            one = made.chats.create(model="starter")
            made.messages.append(one.id, Role.USER, "Tell me.")
            made.chats.rename(one.id, title)
        return made

    async with running(tmp_path / "log", store=store, size=size) as chat:
        await chat.open()
        await chat.pilot.press("ctrl+l")
        for _ in range(2):
            await chat.until(lambda: isinstance(chat.app.screen, ChatList) and rows(chat))
            await chat.pilot.pause(0.1)
            title, about = newest_lines(chat)
            assert title.endswith("just now")
            assert about.startswith("starter · 1 message")
            await chat.pilot.press("ctrl+t")
            await chat.until(lambda: not rows(chat))
            await chat.pilot.pause(0.1)
            await chat.pilot.press("ctrl+t")


async def test_search_finds_titles_and_words_and_shows_where(chat: Driven) -> None:
    await chat.pilot.press(*"sea")
    await chat.until(lambda: rows(chat) == ["Poems about the sea"])
    await chat.pilot.press(*["backspace"] * 3, *"seine")
    await chat.until(lambda: len(rows(chat)) == 3)
    assert "The Seine is a river" in chat.screen_text()
    chat.app.screen.query_one("#query", Input).value = "残雪"
    await chat.until(lambda: "断桥残雪" in chat.screen_text())
    chat.app.screen.query_one("#query", Input).value = "nowhere"
    await chat.until(lambda: "Nothing found." in chat.screen_text())


async def test_a_chat_is_opened_at_what_was_found(chat: Driven) -> None:
    await chat.pilot.press(*"rivers")
    await chat.until(lambda: len(rows(chat)) == 1)
    await chat.press("enter")
    await chat.until(lambda: chat.questions == ["Tell me of Rivers of France."])
    assert "Rivers of France" in chat.screen_text().splitlines()[0]


async def test_a_chat_is_renamed(chat: Driven) -> None:
    await chat.pilot.press("down", "f2")
    await typed(chat, "Sea shanties")
    await chat.until(lambda: isinstance(chat.app.screen, ChatList) and "Sea shanties" in rows(chat))
    assert rows(chat)[1] == "Sea shanties"


async def test_a_chat_is_deleted_and_brought_back(chat: Driven) -> None:
    await chat.pilot.press("down", "ctrl+d")
    await chat.until(lambda: len(rows(chat)) == 2)
    assert "is deleted" in chat.toasts[-1]
    await chat.pilot.press("ctrl+z")
    await chat.until(lambda: rows(chat) == list(reversed(TITLES)))


async def test_a_chat_is_put_away_and_taken_out(chat: Driven) -> None:
    await chat.pilot.press("ctrl+a")
    await chat.until(lambda: rows(chat) == ["Poems about the sea", "Rivers of France"])
    await chat.pilot.press("ctrl+t")
    await chat.until(lambda: rows(chat) == ["西湖十景"])
    assert "Archived chats" in chat.screen_text()
    await chat.pilot.press("ctrl+a", "ctrl+t")
    await chat.until(lambda: len(rows(chat)) == 3)


async def test_deleting_the_open_chat_begins_a_new_one(chat: Driven) -> None:
    await chat.press("enter")
    await chat.until(lambda: chat.questions)
    await chat.pilot.press("ctrl+l")
    await chat.until(lambda: isinstance(chat.app.screen, ChatList) and rows(chat))
    await chat.pilot.press("ctrl+d")
    await chat.until(lambda: len(rows(chat)) == 2)
    await chat.pilot.press("escape")
    await chat.until(lambda: not chat.questions)
    assert chat.session.turns == []


async def test_a_chat_is_exported_and_a_file_is_not_written_over_unasked(
    chat: Driven, tmp_path: Path
) -> None:
    target = tmp_path / "out.json"
    target.write_text("mine")
    await chat.pilot.press("ctrl+x")
    await chat.until(lambda: "Training rows" in chat.screen_text())
    await chat.pilot.press("down", "enter")
    await typed(chat, str(target))
    await chat.until(lambda: "there already" in chat.screen_text())
    assert target.read_text() == "mine"
    await chat.pilot.press("enter")
    await chat.until(lambda: chat.toasts)
    assert "西湖十景" in json.dumps(json.loads(target.read_text()), ensure_ascii=False)


async def test_chats_are_imported_and_what_cannot_be_is_said(chat: Driven, tmp_path: Path) -> None:
    file = tmp_path / "chat.jsonl"
    head = {"user_name": "You", "character_name": "Ada", "chat_metadata": {}}
    said = {"name": "You", "is_user": True, "mes": "Ahoy, captain."}
    file.write_text("\n".join(json.dumps(row) for row in (head, said)))
    await chat.pilot.press("ctrl+o")
    await typed(chat, str(file))
    await chat.until(lambda: isinstance(chat.app.screen, ChatList) and len(rows(chat)) == 4)
    assert "Imported: 1" in chat.toasts[-1]
    await chat.pilot.press("ctrl+o")
    await typed(chat, str(tmp_path / "nowhere.json"))
    await chat.until(lambda: "nowhere.json" in chat.toasts[-1])


@pytest.mark.parametrize(
    ("ago", "en", "zh"),
    [
        (timedelta(seconds=-5), "just now", "刚刚"),
        (timedelta(seconds=59), "just now", "刚刚"),
        (timedelta(minutes=5), "5 min ago", "5 分钟前"),
        (timedelta(hours=3), "3 h ago", "3 小时前"),
        (timedelta(hours=14), "yesterday", "昨天"),
        (timedelta(days=3), "3 days ago", "3 天前"),
        (timedelta(days=20), "2026-02-18", "2026-02-18"),
    ],
)
def test_times_as_people_say_them(ago: timedelta, en: str, zh: str) -> None:
    now = datetime(2026, 3, 10, 13, 0, tzinfo=UTC)
    for language, words in (("en", en), ("zh", zh)):
        use_language(language)
        assert relative_time(now - ago, now) == words
