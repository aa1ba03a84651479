# SPDX-License-Identifier: Apache-2.0
"""Editing a message where it stands, and what becomes of an edit that is not finished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.tui.chat_app import Driven, running, scripted
from yuren_core.i18n import tr
from yuren_tui.session import Session
from yuren_tui.store import Store
from yuren_tui.widgets.turn_editor import TurnEditor
from yuren_tui.widgets.turn_list import TurnList


def editor(chat: Driven) -> TurnEditor:
    return chat.chat.query_one(TurnEditor)


async def one_exchange(chat: Driven, *keys: str) -> None:
    await chat.open()
    await chat.ask("one")
    await chat.press("alt+up", *keys)
    await chat.until(lambda: chat.chat.query(TurnEditor))


async def test_a_question_is_edited_and_sent_again_as_a_branch(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--echo") as chat:
        await one_exchange(chat, "k", "s")
        assert editor(chat).text == "one"
        assert "sent again" in chat.screen_text()
        assert "Enter sends again · Ctrl+J new line · Esc later · Ctrl+R" in chat.screen_text()
        assert "Enter done" not in chat.screen_text()
        await chat.until(lambda: "⏎ Send again" in chat.screen_text().splitlines()[-1])
        await chat.pilot.press("!", "ctrl+j", "2")
        await chat.press("enter")
        await chat.until(lambda: chat.session.turns[0].sibling_count == 2)
        await chat.idle()
        assert chat.turns == ["one!\n2", "one!\n2"]
        assert not chat.chat.query(TurnEditor)
        assert isinstance(chat.app.focused, TurnList)
        await chat.press("k", "left")
        assert chat.turns == ["one", "one"]


async def test_an_answer_is_edited_in_place_and_nothing_is_asked(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "Yes.") as chat:
        await one_exchange(chat, "e")
        assert "Enter done" in chat.screen_text()
        editor(chat).text = "No."
        await chat.press("enter")
        assert chat.turns == ["one", "No."]
        assert chat.session.turns[1].sibling_index == 2
        assert "‹ 2/2 ›" in chat.screen_text()
        assert chat.source() == "No."


async def test_an_edit_that_changes_nothing_makes_no_branch(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "Yes.") as chat:
        await one_exchange(chat, "e")
        await chat.press("enter")
        assert chat.session.turns[1].sibling_count == 1
        assert not chat.chat.query(TurnEditor)


async def test_an_edit_is_left_for_later_and_thrown_away(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "Yes.") as chat:
        await one_exchange(chat, "e")
        editor(chat).text = "Perhaps."
        await chat.press("escape")
        assert "✎ unfinished edit" in chat.screen_text()
        assert "Yes." in chat.screen_text()
        await chat.press("e")
        assert editor(chat).text == "Perhaps."
        await chat.press("ctrl+r")
        assert "unfinished edit" not in chat.screen_text()
        await chat.press("e")
        assert editor(chat).text == "Yes."


async def test_how_an_answer_ended_is_not_said_above_the_editor(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "one two three") as chat:
        await chat.open()
        chat.session.sampling = replace(chat.session.sampling, max_new_tokens=2)
        await chat.ask("Count.")
        remark = tr("chat.ending_length")
        assert remark in chat.screen_text()
        await chat.press("alt+up", "e")
        await chat.until(lambda: chat.chat.query(TurnEditor))
        await chat.until(lambda: remark not in chat.screen_text())
        await chat.press("escape")
        await chat.until(lambda: remark in chat.screen_text())


async def test_an_edit_survives_the_chat_s_end(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    async with running(tmp_path / "log", store=lambda: Store.open(directory)) as chat:
        await one_exchange(chat, "k", "s")
        await chat.pilot.press(*" more")
        edited = editor(chat).turn_id  # kept as it is typed, not at the end
        await chat.until(lambda: chat.chat._kept_edit(edited) == "one more")
    async with running(
        tmp_path / "log", store=lambda: Store.open(directory), opening=Session.continue_last
    ) as chat:
        await chat.open()
        assert "✎ unfinished edit" in chat.screen_text()
        await chat.press("alt+up", "k", "s")
        await chat.until(lambda: chat.chat.query(TurnEditor))
        assert editor(chat).text == "one more"


async def test_an_edit_that_is_not_answered_is_there_to_go_on_with(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--echo") as chat:
        await one_exchange(chat, "k", "s")
        chat.chat.prompt.text = "a draft"
        chat.session.link.client = scripted(tmp_path / "log", "--fail-generate", "too long")
        await chat.pilot.press(*" more")
        await chat.press("enter")
        await chat.until(lambda: "too long" in chat.toasts)
        await chat.until(lambda: "unfinished edit" in chat.screen_text())
        assert chat.turns == ["one", "one"]
        assert (chat.chat.prompt.text, chat.session.chat.draft.text) == ("a draft", "a draft")
        await chat.press("s")
        await chat.until(lambda: chat.chat.query(TurnEditor))
        assert editor(chat).text == "one more"


async def test_an_edit_that_cannot_be_sent_stays(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await one_exchange(chat, "k", "s")
        editor(chat).text = " "
        await chat.press("enter")
        assert chat.toasts
        assert editor(chat).text == " "
        assert len(chat.session.turns) == 2
