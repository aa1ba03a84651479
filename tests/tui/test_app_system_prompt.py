# SPDX-License-Identifier: Apache-2.0
"""The system prompt's panel: edit, cost, variables, history, changes, and what Esc keeps."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Static

from tests.tui.chat_app import Driven, running, words
from yuren_tui.notices import TOGETHER_S
from yuren_tui.presets import Lorebook, LoreEntry, Preset, PresetText
from yuren_tui.prompt_desk import Line, compare
from yuren_tui.screens.system_prompt import SystemPromptScreen
from yuren_tui.session import Profile
from yuren_tui.store import Store
from yuren_tui.widgets.edit_area import EditArea


async def panel(chat: Driven) -> SystemPromptScreen:
    await chat.pilot.press("ctrl+e")
    await chat.until(lambda: isinstance(chat.app.screen, SystemPromptScreen))
    screen = chat.app.screen
    assert isinstance(screen, SystemPromptScreen)
    await chat.until(lambda: shown(screen, "#cost"))
    return screen


def shown(screen: SystemPromptScreen, selector: str) -> str:
    return words(screen.query_one(selector, Static))


async def test_it_is_edited_counted_previewed_and_saved(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        chat.session.profile = chat.session.chat.profile = Profile(user_name="Ann")
        screen = await panel(chat)
        await chat.pilot.press(*"Serve {{user}}.")
        await chat.until(lambda: shown(screen, "#preview") == "Serve Ann.")
        await chat.until(lambda: shown(screen, "#cost").startswith("6 tokens"))
        assert "not saved" in shown(screen, "#cost")
        assert "{{user}}  Ann" in shown(screen, "#variables")
        await chat.pilot.press("ctrl+s")
        assert chat.app.screen is chat.chat
        assert chat.session.system_prompt == "Serve {{user}}."
        assert chat.session.messages()[0].text == "Serve Ann."


async def test_a_variable_that_nobody_knows_is_named_while_one_types(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        screen = await panel(chat)
        screen.query_one(EditArea).put("I am {{usr}}.")
        await chat.until(lambda: "{{usr}} stays as it is written" in chat.screen_text())
        assert "Is {{user}} meant?" in shown(screen, "#cost")
        assert "{{persona}}  (nothing yet)" in shown(screen, "#variables")
        screen.query_one(EditArea).put("I am {{user}}.")
        await chat.until(lambda: "stays as it is written" not in chat.screen_text())


CARD = Preset(
    "mira",
    PresetText(
        name="Mira",
        system="",
        character="{{char}} mends nets for {{user}}.",
        personality="calm",
        scenario="A pier.",
        greeting="Late, {{user}}?",
        lorebook=Lorebook(
            entries=(LoreEntry("1", "The sea is grey.", is_constant=True, where="before_char"),)
        ),
    ),
)


async def test_the_preview_of_a_character_is_all_that_f6_counts(tmp_path: Path) -> None:
    async with running(tmp_path / "log", preset=CARD) as chat:
        await chat.open()
        await chat.until(lambda: chat.chat.use)
        counted = chat.chat.use.by_kind["system"]
        screen = await panel(chat)
        preview = shown(screen, "#preview")
        assert preview.startswith("You are Mira, in a conversation with Friend.")
        assert preview.endswith(
            "Mira mends nets for Friend.\n\nPersonality: calm\n\nScenario: A pier."
        )
        assert shown(screen, "#cost") == f"{counted} tokens"
        screen.query_one(EditArea).put("Be Mira.")
        await chat.until(lambda: shown(screen, "#preview").startswith("Be Mira.\n\nMira mends"))


async def test_a_warning_is_whole_in_a_wide_terminal(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(100, 30)) as chat:
        await chat.ready()
        screen = await panel(chat)
        screen.query_one(EditArea).put("I am {{bogus}} and {{usr}} and {{x}}.")
        await chat.until(lambda: "stays as it is written" in shown(screen, "#cost"))
        await chat.pilot.pause()
        cost = screen.query_one("#cost", Static)
        assert cost.virtual_size.height <= cost.size.height


async def test_escape_keeps_the_edit_and_says_so(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await panel(chat)
        await chat.pilot.press(*"half", "escape")
        assert chat.app.screen is chat.chat
        assert chat.session.system_prompt == ""
        assert chat.toasts == ["The unsaved text is kept; Ctrl+E goes on with it."]
        await chat.pilot.pause(TOGETHER_S)
        screen = await panel(chat)
        assert screen.query_one(EditArea).text == "half"
        await chat.pilot.press("ctrl+u", "escape")
        assert chat.app.screen is chat.chat
        assert chat.toasts == [], "unchanged: nothing to say, and what was said is left behind"


async def test_what_is_typed_is_in_the_store_before_it_is_saved(tmp_path: Path) -> None:
    def opened() -> Store:
        return Store.open(tmp_path / "store")

    def kept() -> str | None:
        with opened() as other:
            last = other.chats.last()
            return last.system_draft if last else None

    async with running(tmp_path / "log", store=opened) as chat:
        await chat.open()
        await panel(chat)
        await chat.pilot.press(*"half")
        await chat.until(lambda: kept() == "half")
        await chat.pilot.press("!")
        chat.chat.keep_all()  # as the end does
        assert kept() == "half!"
    async with running(tmp_path / "log", store=opened) as chat:
        await chat.open()
        (toast,) = chat.toasts
        assert toast.startswith("“Untitled” has an unsaved edit of its system prompt.")
        await chat.press("f4")
        assert "has an unsaved edit; Ctrl+E goes on" in chat.toasts[-1]
        screen = await panel(chat)
        assert screen.query_one(EditArea).text == "half!"
        assert "not saved" in shown(screen, "#cost")
        await chat.pilot.press("ctrl+s")
        await chat.until(lambda: chat.session.system_prompt == "half!")
        assert kept() is None


async def test_an_older_one_is_picked_from_the_history(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        chat.session.system_prompt = "The [b]first[/b]."
        await chat.ask("hello")
        chat.session.system_prompt = "The second."
        screen = await panel(chat)
        await chat.pilot.press("f4", "f4")
        await chat.until(lambda: "The [b]first[/b]." in chat.screen_text())
        await chat.pilot.press("tab", "tab", "enter")
        assert screen.query_one(EditArea).text == "The [b]first[/b]."
        await chat.pilot.press("ctrl+z")
        assert screen.query_one(EditArea).text == "The second."


async def test_changes_are_shown_against_the_preset(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        chat.session.use_preset(Preset.of_system("Be kind.\nBe brief.", name="Plain"))
        screen = await panel(chat)
        assert shown(screen, "#changes") == "The same as the preset says (Plain)."
        screen.query_one(EditArea).put("Be kind.\nBe long.")
        await chat.until(lambda: "+ Be long." in shown(screen, "#changes"))
        assert shown(screen, "#changes").splitlines()[1:] == [
            "  Be kind.",
            "- Be brief.",
            "+ Be long.",
        ]
        await chat.pilot.press("ctrl+r")
        assert screen.query_one(EditArea).text == "Be kind.\nBe brief."


def test_a_comparison_holds_all_of_both() -> None:
    lines = list(compare("a\nb\nc", "a\nx\nc\nd"))
    assert lines == [
        Line("same", "a"),
        Line("removed", "b"),
        Line("added", "x"),
        Line("same", "c"),
        Line("added", "d"),
    ]
