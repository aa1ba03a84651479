# SPDX-License-Identifier: Apache-2.0
"""The prompt's past, slash commands with completion, and the external editor."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from textual.widgets import Static

from tests.tui.chat_app import Driven, running, words
from yuren_tui.screens.pick import PickScreen
from yuren_tui.screens.prompt_history import PromptHistory
from yuren_tui.screens.reading import ReadScreen
from yuren_tui.screens.system_prompt import SystemPromptScreen
from yuren_tui.widgets.completion import CompletionList

# ------------------------------------------------------------ older prompts


async def sent(chat: Driven, *texts: str) -> None:
    await chat.ready()
    for text in texts:
        await chat.ask(text)


async def test_up_and_down_go_through_older_prompts_and_back_to_the_draft(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await sent(chat, "first", "second\nline")
        prompt = chat.chat.prompt
        await chat.pilot.press(*"draft", "up")
        assert prompt.text == "second\nline"
        await chat.pilot.press("up", "up")
        assert prompt.text == "first", "the first Up went to the upper line"
        await chat.pilot.press("up", "up")
        assert prompt.text == "first", "there is nothing before"
        await chat.pilot.press(*"!", "down")
        assert prompt.text == "second\nline"
        await chat.pilot.press("down")
        assert prompt.text == "draft"
        await chat.pilot.press("down")
        assert prompt.text == "draft"


async def test_what_was_changed_on_the_way_stays_until_something_is_sent(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await sent(chat, "first", "second")
        await chat.pilot.press("up", *"!", "up", "down")
        assert chat.chat.prompt.text == "second!"
        await chat.pilot.press("enter")
        await chat.idle()
        await chat.until(lambda: len(chat.questions) == 3)
        await chat.pilot.press("up", "up")
        assert chat.chat.prompt.text == "second"


async def test_older_prompts_are_forgotten_when_one_says_so_twice(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await sent(chat, "first")
        history = chat.session.store.history
        await chat.pilot.press(*"draft", "up")
        for answer, left in ((["enter"], ["first"]), (["down", "enter"], [])):
            chat.chat.panel_commands["forget_prompts"]()
            await chat.until(lambda: isinstance(chat.app.screen, PickScreen))
            await chat.pilot.press(*answer)
            await chat.until(lambda: chat.app.screen is chat.chat)
            await chat.until(lambda left=left: history.prompts() == left)
        await chat.until(lambda: chat.toasts)
        assert chat.chat.prompt.text == "draft"
        await chat.pilot.press("up")
        assert chat.chat.prompt.text == "draft"
        assert chat.questions == ["first"]


async def test_prompts_are_searched_and_the_draft_is_kept(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await sent(chat, "the [red]sea[/red]", "the sky", "晴天")
        await chat.pilot.press(*"draft", "ctrl+r")
        await chat.until(lambda: isinstance(chat.app.screen, PromptHistory))
        await chat.pilot.press(*"SEA")
        await chat.until(lambda: "the [red]sea[/red]" in chat.screen_text())
        await chat.pilot.press("enter")
        assert chat.chat.prompt.text == "the [red]sea[/red]"
        await chat.pilot.press("down", "down", "down")
        assert chat.chat.prompt.text == "draft"
        await chat.pilot.press("ctrl+r", *"nothing such", "enter", "escape")
        assert chat.chat.prompt.text == "draft"


# ------------------------------------------------------------ commands


def offered(chat: Driven) -> list[str]:
    lists = chat.chat.query(CompletionList)
    return [value for value, _ in lists.first().offers] if lists else []


async def test_commands_are_completed_as_one_types(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await chat.pilot.press(*"/re")
        await chat.until(lambda: offered(chat) == ["/retry ", "/resume "])
        await chat.pilot.press("down", "tab")
        assert chat.chat.prompt.text == "/resume "
        chat.chat.prompt.text = ""
        await chat.until(lambda: not offered(chat))
        await chat.pilot.press(*"/preset tra")
        await chat.until(lambda: offered(chat)[:1] == ["translator"])
        await chat.pilot.press("escape")
        await chat.until(lambda: not offered(chat))
        assert chat.chat.prompt.text == "/preset tra"


async def test_the_cursor_moves_as_ever_where_nothing_is_offered(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.pilot.press(*"a", "ctrl+j", *"b", "up")
        assert chat.chat.prompt.cursor_location[0] == 0
        await chat.pilot.press("tab")
        assert not chat.chat.prompt.has_focus


async def test_commands_do_what_they_say(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--echo") as chat:
        await sent(chat, "one")
        await chat.ask("/system Be brief.", wait=False)
        await chat.until(lambda: chat.session.system_prompt == "Be brief.")
        await chat.ask("/retry", wait=False)
        await chat.until(lambda: chat.session.turns[-1].sibling_count == 2)
        await chat.idle()
        await chat.ask("/system edit", wait=False)
        await chat.until(lambda: isinstance(chat.app.screen, SystemPromptScreen))
        await chat.pilot.press("escape")
        await chat.ask("/help", wait=False)
        await chat.until(lambda: isinstance(chat.app.screen, ReadScreen))
        await chat.until(lambda: "/retry" in chat.screen_text())
        said = words(chat.app.screen.query_one("#lines Static", Static))
        assert "Esc stops an answer." in said
        assert "Ctrl+D" not in said
        await chat.pilot.press("escape")
        await chat.ask("/new", wait=False)
        await chat.until(lambda: chat.questions == [])


async def test_a_wrong_command_comes_back_and_two_slashes_are_a_message(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--echo") as chat:
        await chat.ready()
        await chat.ask("/nwe", wait=False)
        await chat.until(lambda: any("/new" in toast for toast in chat.toasts))
        assert chat.chat.prompt.text == "/nwe"
        await chat.ask("/open 12345", wait=False)
        await chat.until(lambda: chat.chat.prompt.text == "/open 12345")
        await chat.ask("//etc is a path")
        assert chat.questions == ["/etc is a path"]


@pytest.mark.parametrize("refused", ["/nonsense", "/open", "/open 12345", "/no/such/file"])
async def test_what_is_typed_takes_the_place_of_a_refused_command(
    tmp_path: Path, refused: str
) -> None:
    async with running(tmp_path / "log", "--echo") as chat:
        await chat.open()
        prompt = chat.chat.prompt
        await chat.ask(refused, wait=False)
        await chat.until(lambda: prompt.selected_text == refused)
        await chat.pilot.press(*"/new")
        assert prompt.text == "/new"
        await chat.pilot.press("ctrl+z", "ctrl+z")
        assert prompt.text == refused


async def test_only_commands_that_did_something_are_older_prompts(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--echo") as chat:
        await chat.open()
        for line in ("/nonsense", "/open 12345", "/title A name"):
            await chat.ask(line, wait=False)
            await chat.until(
                lambda: len([w for w in chat.app.workers if w.group == "command"]) == 0
            )
        await chat.until(lambda: chat.session.store.history.prompts("") == ["/title A name"])


async def test_a_command_that_there_is_not_is_told_while_it_is_typed(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--echo") as chat:
        await chat.open()
        await chat.pilot.press(*"/n")
        assert "There is no such command." not in chat.screen_text()
        await chat.pilot.press("o")
        assert "There is no such command." in chat.screen_text()
        await chat.pilot.press("backspace")
        assert "There is no such command." not in chat.screen_text()


# ------------------------------------------------------------ the editor


async def test_the_external_editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "editor"
    program.write_text('#!/bin/sh\nprintf "%s" " and more 中文" >> "$1"\n')
    program.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(program))
    monkeypatch.setattr("textual.app.App.suspend", lambda _: nullcontext())
    async with running(tmp_path / "log") as chat:
        await chat.pilot.press(*"words", "ctrl+g")
        await chat.until(lambda: chat.chat.prompt.text == "words and more 中文")
        monkeypatch.setenv("VISUAL", "/no/such/editor")
        await chat.pilot.press("ctrl+g")
        await chat.until(lambda: any("/no/such/editor" in toast for toast in chat.toasts))
