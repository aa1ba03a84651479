# SPDX-License-Identifier: Apache-2.0
"""The preset picker: find, look, choose, and all that can be done to presets; the lore view."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from textual.widgets import Static

from tests.tui.chat_app import Driven, running, words
from yuren_core.paths import config_dir
from yuren_tui.presets import (
    Lorebook,
    LoreEntry,
    LoreReport,
    Preset,
    PresetLibrary,
    PresetText,
)
from yuren_tui.screens.ask_line import AskLine
from yuren_tui.screens.lore import LoreScreen
from yuren_tui.screens.preset_picker import PresetPicker
from yuren_tui.screens.preset_views import tags_in
from yuren_tui.session import Session
from yuren_tui.settings.values import Interface, Settings
from yuren_tui.store import Store
from yuren_tui.widgets.choices import Choices
from yuren_tui.widgets.markdown import StreamedMarkdown
from yuren_tui.widgets.messages import AssistantMessage
from yuren_tui.widgets.picture import ThumbnailView


async def picker(chat: Driven) -> PresetPicker:
    await chat.pilot.press("f9")
    await chat.until(lambda: isinstance(chat.app.screen, PresetPicker))
    screen = chat.app.screen
    assert isinstance(screen, PresetPicker)
    await chat.until(lambda: screen.entry is not None)
    return screen


async def find(chat: Driven, text: str, preset_id: str) -> PresetPicker:
    screen = await picker(chat)
    await chat.pilot.press(*text)
    await chat.until(lambda: screen.entry and screen.entry.id == preset_id)
    return screen


async def answer(chat: Driven, text: str) -> None:
    """Write a line into the question that is asked."""
    await chat.until(lambda: isinstance(chat.app.screen, AskLine))
    for _ in chat.app.screen.query_one("#line").value:  # type: ignore[attr-defined]
        await chat.pilot.press("backspace")
    await chat.pilot.press(*text, "enter")


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "editor"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(program))
    # A test has no terminal to give over.
    monkeypatch.setattr("textual.app.App.suspend", _nothing)


def _nothing(_: object) -> object:
    from contextlib import nullcontext

    return nullcontext()


async def test_one_is_found_by_any_word_and_seen_beside(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(120, 40)) as chat:
        await chat.ready()
        screen = await find(chat, "翻译", "translator")
        assert len(screen._shown) == 1
        text = words(screen.query_one("#preview", Static))
        assert "You translate between Chinese and English." in text
        assert "temperature = 0.2" in text
        await chat.pilot.press("x", "x")
        await chat.until(lambda: "No preset has this" in chat.screen_text())


def test_tags_are_those_of_the_language_that_is_spoken() -> None:
    fox = PresetLibrary().get("fox-teahouse")
    assert tags_in(fox, "zh") == ("角色扮演", "志怪")
    assert tags_in(fox, "en") == ("role play", "fantasy")
    card = Preset("card", PresetText(name="Card"), tags=("OC", "奇幻"))
    assert tags_in(card, "zh") == tags_in(card, "en") == ("OC", "奇幻")


async def test_a_new_chat_begins_with_the_greeting(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await chat.ask("Hello")
        await find(chat, "lighthouse", "lighthouse-keeper")
        await chat.pilot.press("enter")
        await chat.until(lambda: chat.app.screen is chat.chat and chat.questions == [])
        preset = PresetLibrary().get("lighthouse-keeper")
        assert chat.session.chat.preset.id == preset.id
        await chat.until(lambda: preset.text("en").greeting[:20] in chat.source())


async def test_what_a_message_does_not_know_is_said(tmp_path: Path) -> None:
    ana = Preset("ana", PresetText(name="Ana", character="C", greeting="Come in!"))
    async with running(tmp_path / "log", "--echo", preset=ana) as chat:
        await chat.open()
        await chat.pilot.press("alt+up")
        for key, why in (("c", "A greeting is no answer"), ("r", "A greeting"), ("b", "no code")):
            chat.app.drop_notices()
            await chat.press(key)
            await chat.until(lambda why=why: why in "".join(chat.toasts))
        chat.chat.prompt.focus()
        await chat.ask("hello")
        await chat.press("alt+up", "home", "down")
        assert chat.current == "hello"
        await chat.press("c")
        await chat.until(lambda: "Only answers are continued" in "".join(chat.toasts))
        await chat.press("down", "s")
        await chat.until(lambda: "Only a message of yours" in "".join(chat.toasts))
        assert chat.turns == ["Come in!", "hello", "hello"]


async def test_a_character_is_seen_above_its_greeting(tmp_path: Path) -> None:
    picture = tmp_path / "ana.png"
    Image.new("RGB", (40, 40), "red").save(picture)
    ana = Preset("ana", PresetText(name="Ana", character="C", greeting="Come in!"), avatar=picture)
    store = Store.open(tmp_path / "store")
    async with running(tmp_path / "log", "--echo", preset=ana, store=lambda: store) as chat:
        await chat.open()
        greeting = chat.chat.query_one(AssistantMessage)
        shown = greeting.query_one(ThumbnailView)
        await chat.until(lambda: shown.size == (12, 6))
        assert shown.region.y < greeting.query_one(StreamedMarkdown).region.y
        await chat.ask("hello")
        assert len(chat.chat.transcript.query(ThumbnailView)) == 1
        chat.chat.follow(Settings(interface=Interface(images="off")))
        await chat.until(lambda: not shown.display)
    store = Store.open(tmp_path / "store")
    opening = Session.continue_last
    async with running(tmp_path / "log", store=lambda: store, opening=opening) as chat:
        await chat.open()
        assert chat.turns[0] == "Come in!"
        first = chat.chat.query(AssistantMessage).first()
        await chat.until(lambda: first.query_one(ThumbnailView).size == (12, 6))


async def test_this_chat_can_be_taken_over(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await chat.ask("Hello")
        await find(chat, "poet", "poet")
        await chat.pilot.press("ctrl+t")
        await chat.until(lambda: chat.session.chat.preset.id == "poet")
        assert chat.questions == ["Hello"]
        assert chat.session.system_prompt == PresetLibrary().get("poet").text("en").system


async def test_one_is_made_edited_and_a_fault_is_kept_for_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        screen = await picker(chat)
        await chat.pilot.press("ctrl+n")
        await answer(chat, "[b]Cook")
        await chat.until(lambda: screen.entry and screen.entry.id.endswith("cook"))
        assert screen.entry
        name = screen.entry.id
        editor(tmp_path, monkeypatch, 'echo "sytem = 1" >> "$1"')
        await chat.pilot.press("ctrl+g")
        await chat.until(lambda: any("sytem" in toast for toast in chat.toasts))
        assert "sytem" not in (config_dir() / "presets" / f"{name}.toml").read_text()
        editor(tmp_path, monkeypatch, 'sed -i \'s/^sytem = 1/tags = ["food"]/\' "$1"')
        await chat.pilot.press("ctrl+g")
        await chat.until(lambda: isinstance(e := screen.entry, Preset) and e.tags == ("food",))


async def test_editing_ours_makes_it_the_persons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        screen = await find(chat, "poet", "poet")
        editor(tmp_path, monkeypatch, ":")
        await chat.pilot.press("ctrl+g")
        await chat.pilot.pause(0.3)
        assert not (config_dir() / "presets" / "poet.toml").exists(), "nothing was changed"
        editor(tmp_path, monkeypatch, 'echo "# mine" >> "$1"')
        await chat.pilot.press("ctrl+g")
        await chat.until(lambda: isinstance(e := screen.entry, Preset) and e.is_own)
        assert (config_dir() / "presets" / "poet.toml").read_text().endswith("# mine\n")


async def test_copied_deleted_and_brought_back(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        screen = await find(chat, "poet", "poet")
        await chat.pilot.press("f8")
        await chat.until(lambda: any("not among your presets" in t for t in chat.toasts))
        await chat.pilot.press("ctrl+d")
        await chat.until(lambda: screen.entry and screen.entry.id == "poet-2")
        await chat.pilot.press("f8")
        await chat.until(lambda: all(entry.id != "poet-2" for entry in screen._all))
        await chat.pilot.press("ctrl+z")
        await chat.until(lambda: screen.entry and screen.entry.id == "poet-2")


async def test_exported_and_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        screen = await find(chat, "lighthouse", "lighthouse-keeper")
        await chat.pilot.press("ctrl+s")
        await answer(chat, "card.png")
        await chat.until(lambda: (tmp_path / "card.png").exists())
        await chat.pilot.press("ctrl+o")
        await answer(chat, "card.png")
        await chat.until(lambda: isinstance(e := screen.entry, Preset) and e.card is not None)
        await chat.pilot.press("ctrl+o")
        await answer(chat, "no.png")
        await chat.until(lambda: any("no.png" in toast for toast in chat.toasts))


async def test_a_broken_one_is_shown_with_its_error(tmp_path: Path) -> None:
    own = config_dir() / "presets"
    own.mkdir(parents=True)
    (own / "bad.toml").write_text("[en]\nnmae = 1\n")
    async with running(tmp_path / "log", size=(120, 40)) as chat:
        await chat.ready()
        screen = await find(chat, "bad", "bad")
        assert "nmae" in words(screen.query_one("#preview", Static))
        assert "broken" in chat.screen_text()
        await chat.pilot.press("enter")
        assert chat.app.screen is screen


async def test_lore_says_what_is_told_and_why(tmp_path: Path) -> None:
    entries = (
        LoreEntry("1", "Always", "Sea.", is_constant=True),
        LoreEntry("2", "Fog", "It is thick.", keys=("fog",)),
        LoreEntry("3", "Never", "Gold.", keys=("treasure",)),
        LoreEntry("4", "Chance", "No.", keys=("fog",), probability=0),
    )
    preset = Preset("p", PresetText(name="P", lorebook=Lorebook(entries=entries)))
    async with running(tmp_path / "log", size=(120, 40)) as chat:
        await chat.ready()
        await chat.pilot.press("f8")
        await chat.until(lambda: chat.toasts == ["The preset of this chat has no lore."])
        chat.session.use_preset(preset)
        await chat.pilot.press(*"what fog", "f8")
        await chat.until(lambda: isinstance(chat.app.screen, LoreScreen))
        text = chat.screen_text()
        for line in ("Told now (2)", "Passed over (1)", "Not spoken of (1)", "key “fog”", "chance"):
            assert line in text


async def test_of_a_large_lorebook_all_entries_are_counted(tmp_path: Path) -> None:
    entries = tuple(LoreEntry(str(n), content="x", keys=(f"k{n}",)) for n in range(300))
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await chat.app.push_screen(LoreScreen(LoreReport(), entries))
        await chat.until(lambda: "… 100" in "\n".join(map(words, chat.app.screen.query(Static))))
        assert "Not spoken of (300)" in "\n".join(map(words, chat.app.screen.query(Static)))


async def test_of_two_edits_that_cannot_be_saved_both_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = PresetLibrary()
    for name in ("first", "second"):
        library.save(Preset(name, PresetText(name=name)))
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        screen = await find(chat, "first", "first")
        editor(tmp_path, monkeypatch, 'echo "wrong = 1" >> "$1"')
        await chat.pilot.press("ctrl+g")
        await chat.until(lambda: any("wrong" in toast for toast in chat.toasts))
        for _ in "first":
            await chat.pilot.press("backspace")
        await chat.pilot.press(*"second")
        await chat.until(lambda: screen.entry and screen.entry.id == "second")
        editor(tmp_path, monkeypatch, ":")
        await chat.pilot.press("ctrl+g")
        await chat.until(lambda: not any(w.group == "library" for w in chat.app.workers))
        for _ in "second":
            await chat.pilot.press("backspace")
        await chat.pilot.press(*"first")
        await chat.until(lambda: screen.entry and screen.entry.id == "first")
        editor(tmp_path, monkeypatch, 'sed -i "s/^wrong = 1/notes = \\"kept\\"/" "$1"')
        await chat.pilot.press("ctrl+g")
        await chat.until(
            lambda: isinstance(e := screen.entry, Preset) and e.text("en").notes == "kept"
        )


async def test_the_preview_is_there_before_the_list_tells_of_its_highlight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Choices, "watch_highlighted", lambda *_: None)
    async with running(tmp_path / "log", size=(120, 40)) as chat:
        await chat.ready()
        screen = await picker(chat)
        await chat.until(lambda: "System prompt" in words(screen.query_one("#preview", Static)))
