# SPDX-License-Identifier: Apache-2.0
"""What the chat remembers: drafts, pictures, where one reads, greetings, the chat before."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Static

from tests.tui.chat_app import Driven, running, words
from yuren_core.errors import StorageError
from yuren_core.messages import Role
from yuren_core.shipped import assets_dir
from yuren_tui.presets import Preset
from yuren_tui.presets.preset import PresetText
from yuren_tui.session import Session
from yuren_tui.store import Store
from yuren_tui.widgets.picture import PictureChip
from yuren_tui.widgets.title_bar import TitleBar

CAT = assets_dir() / "pictures" / "cat.png"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "store"


def lines(chat: Driven) -> list[str]:
    """The lines in sight, without the scroll bar."""
    return [line[:-3] for line in chat.screen_text().splitlines()[1:18]]


def kept(directory: Path, **options: object):  # type: ignore[no-untyped-def]
    """A chat whose store stays."""
    return running(
        directory.parent / "log",
        *("--answer", "Yes."),
        store=lambda: Store.open(directory),
        **options,  # type: ignore[arg-type]
    )


async def draft(chat: Driven, text: str) -> None:
    await chat.pilot.press(*text)
    await chat.until(lambda: chat.session.chat.draft.text == text)


async def test_a_draft_and_its_pictures_are_kept_as_one_types(directory: Path) -> None:
    async with kept(directory) as chat:
        await chat.open()
        chat.chat.attach([CAT])
        await chat.until(lambda: chat.chat.query(PictureChip))
        await draft(chat, "half")
        chat_id = chat.session.chat.id
        with Store.open(directory) as other:  # in the store already, without any end
            stored = other.chats.get(chat_id or 0)
            assert stored.draft.text == "half"
            assert len(stored.draft.images) == 1
    async with kept(directory, opening=Session.continue_last) as chat:
        await chat.open()
        assert chat.chat.prompt.text == "half"
        assert len(chat.chat.query(PictureChip)) == 1


async def test_what_is_sent_is_no_draft_any_more(directory: Path) -> None:
    async with kept(directory) as chat:
        await chat.open()
        await draft(chat, "hello")
        await chat.pilot.press("enter")
        await chat.until(lambda: chat.answers)
        await chat.idle()
        assert not chat.session.chat.draft


async def test_a_new_start_tells_of_the_last_draft_and_f4_goes_there(directory: Path) -> None:
    async with kept(directory) as chat:
        await chat.open()
        await chat.ask("hello")
        await draft(chat, "half")
    async with kept(directory) as chat:
        await chat.open()
        assert "has an unsent message" in chat.toasts[0]
        assert chat.chat.prompt.text == ""
        await chat.press("f4")
        assert chat.chat.prompt.text == "half"
        assert chat.questions == ["hello"]
        await chat.press("ctrl+n")
        assert (chat.questions, chat.chat.prompt.text) == ([], "")
        await chat.press("f4")
        assert (chat.questions, chat.chat.prompt.text) == (["hello"], "half")


async def test_the_title_is_shown(directory: Path) -> None:
    async with kept(directory) as chat:
        await chat.open()
        assert not chat.chat.query_one(TitleBar).display
        await chat.ask("Where is Paris?")
        await chat.until(lambda: "Where is Paris?" in chat.chat.query_one(TitleBar).title)
        assert "#1" in chat.screen_text()


async def test_where_one_reads_is_kept(directory: Path) -> None:
    with Store.open(directory) as store:
        made = store.chats.create()
        for number in range(30):
            store.messages.append(made.id, Role.USER, f"question {number}")
            store.messages.append(made.id, Role.ASSISTANT, f"answer {number}")
    async with kept(directory, opening=Session.continue_last) as chat:
        await chat.open()
        assert "answer 29" in chat.screen_text()
        for _ in range(3):
            await chat.press("pageup")
        await chat.until(lambda: chat.session.chat.scroll is not None)
        await chat.pilot.pause(0.6)
        seen = lines(chat)
    async with kept(directory, opening=Session.continue_last) as chat:
        await chat.open()
        await chat.until(lambda: "answer 29" not in chat.screen_text())
        assert lines(chat) == seen


async def test_a_character_greets_and_its_greetings_swipe(tmp_path: Path) -> None:
    said = PresetText(
        name="Ada", character="A captain.", greeting="Ahoy.", alternate_greetings=("Hm.",)
    )
    preset = Preset("ada", common=said)
    async with running(tmp_path / "log", preset=preset) as chat:
        await chat.open()
        assert len(chat.answers) == 1
        assert words(chat.answers[0].query_one(".role", Static)).startswith("Ada")
        assert chat.source() == "Ahoy."
        await chat.press("alt+up", "right")
        assert chat.source() == "Hm."
        assert "Ada  ‹ 2/2 ›" in chat.screen_text()


async def test_a_store_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    def refuse() -> Store:
        raise StorageError("written by a newer yuren", "Upgrade yuren.")

    async with running(tmp_path / "log", store=refuse) as chat:
        await chat.until(lambda: "written by a newer yuren" in chat.screen_text())
