# SPDX-License-Identifier: Apache-2.0
"""Pictures: attach, look at, take away, send; and those that cannot be."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from PIL import Image
from textual import events
from textual.widgets import Input, Static

from tests.tui.chat_app import Driven, running, words
from yuren_core.i18n import use_language
from yuren_tui.screens.file_picker import FilePicker, PictureTree
from yuren_tui.session import Session
from yuren_tui.store import Store
from yuren_tui.widgets.picture import PictureChip, RemoveCross, SentPicture, ThumbnailView


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "my cat.png"
    Image.new("RGB", (40, 20), "red").save(path)
    return path


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def renamed(path: Path, name: str) -> Path:
    return path.rename(path.with_name(name))


async def paste(chat: Driven, text: str) -> None:
    chat.chat.prompt.post_message(events.Paste(text))
    await chat.pilot.pause()


def chips(chat: Driven) -> list[PictureChip]:
    return list(chat.chat.query(PictureChip))


async def test_a_pasted_path_becomes_a_chip_with_its_thumbnail(tmp_path: Path, cat: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await paste(chat, f"'{cat}'")
        await chat.until(lambda: chips(chat) and chips(chat)[0].query_one(ThumbnailView)._lines)
        assert chat.chat.prompt.text == ""
        chip = chips(chat)[0]
        assert words(chip.query_one(".name", Static)) == "my cat.png"
        assert words(chip.query_one(".cost", Static)) == "18 tokens"
        assert "▀▀▀▀▀▀▀▀" in chat.screen_text()


@pytest.mark.parametrize("typed", ["{0}/cat.png", "'{0}/my cat.png'", "~/cat.png", "./cat.png "])
async def test_a_typed_path_becomes_a_chip_when_it_is_sent(
    tmp_path: Path, cat: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(cat, tmp_path / "cat.png")
    async with running(tmp_path / "log", "--echo") as chat:
        await chat.open()
        await chat.ask(typed.format(tmp_path), wait=False)
        await chat.until(lambda: chips(chat))
        assert chat.chat.prompt.text == ""
        assert chat.questions == []
        await chat.ask("What is this?")
        assert chat.questions == ["What is this?"]
        assert [part.sha256 for part in chat.session.turns[0].images] == [sha256_of(cat)]


async def test_a_typed_path_of_nothing_or_of_no_picture_stays(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_text("words")
    async with running(tmp_path / "log", "--echo") as chat:
        await chat.open()
        nowhere = {"/no/such.png": "no such command or file", "/? what": "no such command or file"}
        for typed, told in {**nowhere, f"{tmp_path}/cat.png": "is not a picture"}.items():
            await chat.ask(typed, wait=False)
            await chat.until(lambda told=told: told in "".join(chat.toasts[-1:]))
            assert chat.chat.prompt.text == typed
        assert (chips(chat), chat.questions) == ([], [])
        await chat.ask(f"{tmp_path} is a directory")
        await chat.ask("/* a comment\nof two lines */")
        assert chat.questions == [f"{tmp_path} is a directory", "/* a comment\nof two lines */"]


async def test_pasted_text_stays_text_without_its_controls(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await paste(chat, "see /no/such.png\x1b]52;c;AAAA\x07")
        assert chat.chat.prompt.text == "see /no/such.png␛]52;c;AAAA␇"
        assert chips(chat) == []


async def test_a_picture_sent_alone_asks_for_a_description(tmp_path: Path, cat: Path) -> None:
    async with running(tmp_path / "log", "--echo", images=(str(cat),)) as chat:
        await chat.ready()
        await chat.until(lambda: chips(chat))
        await chat.ask("")
        assert chat.questions == ["Describe this picture."]
        assert chips(chat) == []
        assert len(chat.chat.query(SentPicture)) == 1
        told = [part.sha256 for part in chat.session.turns[0].images]
        assert told == [sha256_of(cat)]
        await chat.until(lambda: "my cat.png · 18 tokens" in chat.screen_text())


async def test_chips_are_taken_away_by_key_and_by_mouse(tmp_path: Path, cat: Path) -> None:
    other = cat.with_name("dog.png")
    Image.new("RGB", (10, 10), "blue").save(other)
    async with running(tmp_path / "log", images=(str(cat), str(other))) as chat:
        await chat.until(lambda: len(chips(chat)) == 2)
        await chat.pilot.press("shift+tab", "delete")
        await chat.until(lambda: len(chips(chat)) == 1)
        assert chips(chat)[0].picture.path == str(cat)
        await chat.pilot.click(RemoveCross)
        await chat.until(lambda: not chips(chat))


async def test_a_blind_model_is_said_when_attaching_and_nothing_is_lost(
    tmp_path: Path, cat: Path
) -> None:
    async with running(tmp_path / "log", "--blind") as chat:
        await chat.ready()
        await paste(chat, str(cat))
        await chat.until(lambda: chat.toasts)
        said = list(chat.toasts)
        assert "cannot see" in said[0]
        await chat.ask("What is it?", wait=False)
        await chat.until(lambda: chat.toasts and chat.toasts != said)
        assert chat.chat.prompt.text == "What is it?"
        assert len(chips(chat)) == 1
        assert chat.session.turns == []


@pytest.mark.parametrize(
    ("language", "keys"),
    [
        ("en", {"chip.remove": "ctrl+y", "chat.models": "f11"}),
        ("zh", {"chip.remove": "ctrl+y", "chat.models": "f11"}),
        ("en", {}),
    ],
)
async def test_the_keys_that_help_with_a_blind_model_are_named_as_they_are(
    tmp_path: Path, cat: Path, language: str, keys: dict[str, str]
) -> None:
    use_language(language)
    async with running(tmp_path / "log", "--blind") as chat:
        await chat.ready()
        chat.app.set_keymap(keys)
        await paste(chat, str(cat))
        await chat.until(lambda: chat.toasts)
        chat.app.drop_notices()
        await chat.ask("What is it?", wait=False)
        await chat.until(lambda: chat.toasts)
        named = ("Ctrl+Y", "F11") if keys else ("Delete / Backspace / x", "F10")
        assert all(key in chat.toasts[0] for key in ("Shift+Tab", *named))
        await chat.pilot.press("shift+tab", "ctrl+y" if keys else "x")
        await chat.until(lambda: not chips(chat))


async def test_a_blind_model_is_said_of_what_was_attached_before_it_was_ready(
    tmp_path: Path, cat: Path
) -> None:
    images = (str(cat),)
    async with running(tmp_path / "log", "--blind", "--load-delay", "0.5", images=images) as chat:
        await chat.until(lambda: chips(chat))
        assert chat.session.model.phase == "loading"
        assert chat.toasts == []
        await chat.open()
        await chat.until(lambda: chat.toasts)
        assert [toast for toast in chat.toasts if "cannot see" in toast] == chat.toasts[:1]


async def test_an_earlier_picture_costs_tokens_as_soon_as_the_model_is_ready(
    tmp_path: Path, cat: Path
) -> None:
    def store() -> Store:
        return Store.open(tmp_path / "store")

    async with running(tmp_path / "log", "--echo", images=(str(cat),), store=store) as chat:
        await chat.open()
        await chat.until(lambda: chips(chat))
        await chat.ask("What is this?")
    opening, slow = Session.continue_last, ("--echo", "--load-delay", "0.8")
    async with running(tmp_path / "log", *slow, store=store, opening=opening) as chat:
        await chat.until(lambda: "my cat.png" in chat.screen_text())
        assert chat.session.model.phase == "loading"
        assert "tokens" not in chat.screen_text()
        await chat.ready()
        await chat.until(lambda: "my cat.png · 18 tokens" in chat.screen_text())


async def test_the_large_view_is_called_as_the_file_was(tmp_path: Path, cat: Path) -> None:
    def store() -> Store:
        return Store.open(tmp_path / "store")

    async with running(tmp_path / "log", "--echo", images=(str(cat),), store=store) as chat:
        await chat.open()
        await chat.until(lambda: chips(chat))
        await chat.ask("What is this?")
    opening = Session.continue_last
    async with running(tmp_path / "log", store=store, opening=opening) as chat:
        await chat.open()
        await chat.pilot.press("alt+o")
        await chat.until(lambda: "40 × 20" in chat.screen_text())
        assert "my cat.png" in chat.screen_text()
        await chat.pilot.press("escape")
        chat.chat._picture_names.clear()  # as of a picture out of an imported chat
        await chat.pilot.press("alt+o")
        await chat.until(lambda: "40 × 20" in chat.screen_text())
        assert "Picture" in chat.screen_text()
        assert sha256_of(cat)[:8] not in chat.screen_text()


async def test_a_bad_picture_is_one_message_and_the_draft_stays(tmp_path: Path) -> None:
    bad = tmp_path / "bad[red].png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    async with running(tmp_path / "log", images=(str(bad),), prompt="What is it?") as chat:
        await chat.until(lambda: chat.toasts)
        assert "bad[red].png" in chat.toasts[0]
        assert chat.chat.prompt.text == "What is it?"
        assert (chips(chat), chat.session.turns) == ([], [])


async def test_a_name_of_another_kind_is_shown_safely(tmp_path: Path, cat: Path) -> None:
    odd = renamed(cat, "\x1b[2J[b]\n\udcff.png")
    async with running(tmp_path / "log", images=(str(odd),), size=(120, 40)) as chat:
        await chat.ready()
        await chat.until(lambda: chips(chat))
        assert "␛[2J[b]␊�.png" in chat.screen_text()
        await chat.ask("")
        assert "␛[2J[b]␊�.png" in chat.screen_text()
        await chat.pilot.press("ctrl+o")
        chat.app.screen.query_one(PictureTree).path = odd.parent
        await chat.until(lambda: "␛[2J[b]␊�.png" in chat.screen_text())


async def test_the_picker_walks_previews_and_chooses(
    tmp_path: Path, cat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    async with running(tmp_path / "log") as chat:
        await chat.pilot.press("ctrl+o")
        await chat.until(lambda: "my cat.png" in chat.screen_text())
        assert "notes.txt" not in chat.screen_text()
        await chat.pilot.press("down")
        await chat.until(lambda: "40 × 20" in chat.screen_text())
        await chat.pilot.press("enter")
        await chat.until(lambda: chips(chat))


async def test_the_picker_attaches_all_that_is_marked(
    tmp_path: Path, cat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, colour in (("b.png", "blue"), ("c.png", "green")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    async with running(tmp_path / "log") as chat:
        await chat.pilot.press("ctrl+o")
        await chat.until(lambda: "my cat.png" in chat.screen_text())
        assert "space Mark" in chat.screen_text()
        await chat.pilot.press("down", "space", "down", "space", "space", "down", "space")
        await chat.until(lambda: "marked: 2" in chat.screen_text())
        shown = [line for line in chat.screen_text().splitlines() if "✓" in line]
        assert len(shown) == 2
        assert all(name in line for name, line in zip(("b.png", "my cat"), shown, strict=True))
        await chat.pilot.press("up", "enter")
        await chat.until(lambda: len(chips(chat)) == 2)
        assert [Path(chip.picture.path).name for chip in chips(chat)] == ["b.png", "my cat.png"]


async def test_the_picker_takes_a_typed_path(tmp_path: Path, cat: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.pilot.press("ctrl+o")
        await chat.until(lambda: isinstance(chat.app.screen, FilePicker))
        await chat.pilot.press("ctrl+l")
        chat.app.screen.query_one(Input).value = str(cat).replace(" ", "\\ ")
        await chat.pilot.press("enter")
        await chat.until(lambda: chips(chat))
