# SPDX-License-Identifier: Apache-2.0
"""Messages under the keys: walk, retry, continue, swipe, delete, copy, quote, pin, tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from tests.tui.chat_app import Driven, running
from yuren_tui.clipboard import Copied
from yuren_tui.screens.pick import PickScreen
from yuren_tui.screens.tree import TreeScreen
from yuren_tui.widgets.choices import Choices
from yuren_tui.widgets.turn_list import TurnList

CODE = "First:\n\n```python\nprint(1)\n```\n\nThen:\n\n```sh\nls\n```\n"


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reaches the clipboard."""
    texts: list[str] = []

    async def copy_text(text: str, **_: object) -> Copied:
        texts.append(text)
        return Copied(("wl-copy",), True, len(text))

    monkeypatch.setattr("yuren_tui.clipboard.copy_text", copy_text)
    return texts


async def two_exchanges(chat: Driven) -> None:
    await chat.open()
    await chat.ask("one")
    await chat.ask("two")
    await chat.press("alt+up")
    assert isinstance(chat.app.focused, TurnList)


async def test_keys_walk_from_message_to_message_and_back_to_the_prompt(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "Yes.") as chat:
        await two_exchanges(chat)
        walked = [chat.current]
        for key in ("k", "up", "k", "up"):
            await chat.press(key)
            walked.append(chat.current)
        assert walked == ["Yes.", "two", "Yes.", "one", "one"]
        await chat.press("j")
        assert chat.chat.query(".-current").first().turn_id == chat.session.turns[1].id
        await chat.press("i")
        assert chat.chat.prompt.has_focus
        await chat.press("alt+up")
        assert isinstance(chat.app.focused, TurnList)
        await chat.press("escape")
        assert chat.chat.prompt.has_focus


async def test_esc_stops_and_never_leaves_the_prompt(tmp_path: Path) -> None:
    options = ("--answer", "word " * 100, "--token-delay", "0.05")
    async with running(tmp_path / "log", *options) as chat:
        await chat.open()
        await chat.ask("one", wait=False)
        await chat.until(lambda: chat.session.turns and chat.session.turns[-1].text)
        await chat.press("escape", "escape")
        await chat.idle()
        await chat.press("escape", *"dred")
        assert chat.chat.prompt.text == "dred"
        assert chat.turns[0] == "one"
        assert len(chat.turns) == 2


async def test_what_is_written_among_the_messages_goes_to_the_prompt(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "Yes.") as chat:
        await two_exchanges(chat)
        await chat.press("W", "d", "u", "space", "d", "é")
        assert chat.chat.prompt.has_focus
        assert chat.chat.prompt.text == "Wdu dé"
        assert len(chat.turns) == 4
        await chat.press("alt+up")
        chat.app.focused.post_message(events.Paste(" and a paste"))  # type: ignore[union-attr]
        await chat.until(lambda: chat.chat.prompt.text == "Wdu dé and a paste")
        await chat.press("alt+up", "c", "alt+x")  # a command that cannot act here, and no character
        assert isinstance(chat.app.focused, TurnList)


async def test_an_answer_longer_than_the_screen_is_walked_through(tmp_path: Path) -> None:
    long = "".join(f"line {i}\n\n" for i in range(40))
    async with running(tmp_path / "log", "--answer", long) as chat:
        await chat.open()
        await chat.ask("Count.")
        await chat.press("alt+up")
        turns = chat.chat.transcript.turns
        before = turns.scroll_y
        await chat.press("k")
        assert chat.current == long
        assert 0 < turns.scroll_y < before
        for _ in range(12):
            await chat.press("k")
        assert chat.current == "Count."
        assert "line 0" in chat.screen_text()


async def test_retry_writes_an_alternative_and_the_arrows_swipe(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "Yes.") as chat:
        await two_exchanges(chat)
        first = chat.session.turns[-1].id
        await chat.press("r")
        await chat.until(lambda: chat.session.turns[-1].id != first)
        await chat.idle()
        assert "‹ 2/2 ›" in chat.screen_text()
        await chat.press("left")
        assert chat.session.turns[-1].id == first
        assert "‹ 1/2 ›" in chat.screen_text()
        await chat.press("l")
        assert chat.session.turns[-1].sibling_index == 2
        assert len(chat.answers) == 2


async def test_a_question_is_answered_again(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "Yes.") as chat:
        await two_exchanges(chat)
        await chat.press("k", "r")
        await chat.until(lambda: chat.session.turns[-1].sibling_count == 2)
        await chat.idle()
        assert chat.turns == ["one", "Yes.", "two", "Yes."]


async def test_a_cut_answer_is_written_on(tmp_path: Path) -> None:
    options = ("--answer", "and so on", "--token-delay", "0.1")
    async with running(tmp_path / "log", *options) as chat:
        await chat.open()
        await chat.ask("one", wait=False)
        await chat.until(lambda: chat.session.turns and chat.session.turns[-1].text)
        await chat.press("ctrl+c")
        await chat.idle()
        begun = chat.session.turns[-1].text
        await chat.press("alt+up", "c")
        await chat.until(lambda: chat.session.turns[-1].sibling_count == 2)
        await chat.idle()
        assert chat.session.turns[-1].text == f"{begun}and so on"
        assert chat.source() == f"{begun}and so on"


async def test_where_the_model_has_nothing_to_add_one_stays_and_is_told(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "") as chat:
        await chat.open()
        _, answer = chat.session.chat.ask("one", ())
        answer.text, answer.status = "first", "done"
        chat.session.chat.finish(answer)
        for words in ("second", "third"):
            chat.session.chat.edit_in_place(answer.id, words)
        chat.session.chat.select(answer.id)
        await chat.chat.show_turns()
        await chat.press("alt+up", "c")
        await chat.until(lambda: "The model has nothing to add." in chat.toasts)
        await chat.idle()
        assert (chat.turns, chat.current) == (["one", "first"], "first")
        assert "‹ 1/3 ›" in chat.screen_text()


async def test_a_deleted_message_comes_back(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "Yes.") as chat:
        await two_exchanges(chat)
        await chat.press("k", "d")
        assert chat.turns == ["one", "Yes."]
        assert chat.questions == ["one"]
        assert "u brings them back" in chat.toasts[-1]
        await chat.press("k", "d", "k", "d")
        assert (chat.turns, chat.questions) == ([], [])
        await chat.press("u", "u", "u")
        assert chat.turns == ["one", "Yes.", "two", "Yes."]
        assert chat.questions == ["one", "two"]


async def test_copy_quote_and_pin(tmp_path: Path, copied: list[str]) -> None:
    async with running(tmp_path / "log", "--answer", "Yes.\n\nIndeed.") as chat:
        await chat.open()
        await chat.ask("one")
        await chat.press("alt+up", "y")
        assert copied == ["Yes.\n\nIndeed."]
        assert "Copied" in chat.toasts[-1]
        await chat.press("p")
        assert chat.session.turns[-1].is_pinned
        assert "◆ pinned" in chat.screen_text()
        await chat.press("p")
        assert "pinned" not in chat.screen_text()
        await chat.press("q")
        assert chat.chat.prompt.text == "> Yes.\n>\n> Indeed.\n\n"
        assert chat.chat.prompt.has_focus


async def test_one_of_several_code_blocks_is_copied(tmp_path: Path, copied: list[str]) -> None:
    async with running(tmp_path / "log", "--answer", CODE) as chat:
        await chat.open()
        await chat.ask("one")
        await chat.pilot.press("alt+up", "b")
        await chat.until(lambda: isinstance(chat.app.screen, PickScreen))
        assert "print(1)" in chat.screen_text()
        await chat.press("2")
        assert copied == ["ls"]


async def test_the_menu_names_all_acts_and_their_keys_act_in_it(
    tmp_path: Path, copied: list[str]
) -> None:
    async with running(tmp_path / "log", "--answer", CODE) as chat:
        await chat.open()
        await chat.ask("one")
        await chat.pilot.press("alt+up", "enter")
        await chat.until(lambda: isinstance(chat.app.screen, PickScreen))
        text = chat.screen_text()
        for words in ("Edit", "Answer again", "Copy a code block", "Pin", "Delete", "Quote"):
            assert words in text
        assert "send again" not in text  # it is no message of the person's
        await chat.until(lambda: "⏎ Choose" in chat.screen_text().splitlines()[-1])
        assert "esc Close" in chat.screen_text().splitlines()[-1]
        await chat.press("y")
        assert copied == [CODE]


@pytest.mark.parametrize("key", ["left", "h", "right", "l", "r", "d"])
async def test_what_waits_for_an_answer_s_end_says_so(tmp_path: Path, key: str) -> None:
    options = ("--answer", "word " * 2000, "--token-delay", "0.05")
    async with running(tmp_path / "log", *options) as chat:
        await chat.open()
        await chat.ask("one", wait=False)
        await chat.until(lambda: chat.session.turns and chat.session.turns[-1].text)
        await chat.press("escape")
        await chat.idle()
        await chat.press("alt+up", "r")
        await chat.until(lambda: chat.session.is_answering and chat.session.turns[-1].text)
        before = [turn.id for turn in chat.session.turns]
        await chat.press(key)
        await chat.until(lambda: any("still being written" in toast for toast in chat.toasts))
        assert [turn.id for turn in chat.session.turns] == before
        assert isinstance(chat.app.focused, TurnList)
        await chat.press("escape")
        await chat.idle()
        assert chat.toasts == []


async def test_a_quotation_is_sent_with_the_blank_line_after_it(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "Yes.\n\nNo.") as chat:
        await chat.open()
        await chat.ask("one")
        await chat.press("alt+up", "q")
        await chat.until(lambda: chat.app.focused is chat.chat.prompt)
        await chat.pilot.press(*"Why?")
        await chat.press("enter")
        await chat.until(lambda: len(chat.session.turns) == 4)
        await chat.idle()
        assert chat.turns[2] == "> Yes.\n>\n> No.\n\nWhy?"


async def test_while_an_answer_is_written_nothing_changes_the_path(tmp_path: Path) -> None:
    options = ("--answer", "word " * 100, "--token-delay", "0.05")
    async with running(tmp_path / "log", *options) as chat:
        await chat.open()
        await chat.ask("one", wait=False)
        await chat.until(lambda: chat.session.turns and chat.session.turns[-1].text)
        await chat.press("alt+up", "d", "r", "e")
        assert len(chat.session.turns) == 2
        assert chat.session.is_answering
        await chat.press("escape")
        await chat.idle()


async def test_the_tree_leads_to_any_branch(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--echo") as chat:
        await chat.open()
        await chat.ask("one")
        await chat.press("alt+up", "r")
        await chat.until(lambda: chat.session.turns[-1].sibling_count == 2)
        await chat.idle()
        await chat.press("i")
        await chat.ask("two")
        await chat.pilot.press("f3")
        await chat.until(lambda: isinstance(chat.app.screen, TreeScreen))
        choices = chat.app.screen.query_one(Choices)
        await chat.until(lambda: choices.option_count == 5)
        assert "├─ ○" in chat.screen_text()
        await chat.pilot.press("up", "up", "up")
        await chat.press("enter")
        assert [turn.sibling_index for turn in chat.session.turns] == [1, 1]
        assert chat.questions == ["one"]
        assert chat.chat.transcript.turns.current == chat.session.turns[1].id
