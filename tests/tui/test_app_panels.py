# SPDX-License-Identifier: Apache-2.0
"""Help, sampling, commands, themes, and the offer of the starter."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from textual.widgets import Button, Input, Static

from tests.tui.chat_app import running, words
from tests.tui.chat_process import is_alive
from yuren_core import starter
from yuren_core.errors import DownloadError, UsageError
from yuren_core.sampling_params import SamplingParams
from yuren_core.starter import StarterProgress
from yuren_core.wheel_download import run
from yuren_tui.presets import Preset, PresetSampling, PresetText
from yuren_tui.screens.sampling import NAMES, SamplingScreen, as_text, from_text


async def test_help_names_every_key_of_ours(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(100, 140)) as chat:
        await chat.pilot.press("f1")
        await chat.until(lambda: "Keys" in chat.screen_text())
        text = chat.screen_text()
        for words_ in ("Send the message", "Break the line", "Attach a picture", "Undo", "Quit"):
            assert words_ in text
        await chat.pilot.press("escape")
        assert chat.app.screen is chat.chat


async def test_a_rebound_key_shows_as_it_is(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(100, 80)) as chat:
        chat.app.set_keymap({"prompt.send": "f9"})
        chat.chat.prompt.text = "hello"
        await chat.pilot.press("f9")
        await chat.until(lambda: chat.questions == ["hello"])
        await chat.pilot.press("f1")
        await chat.until(lambda: "Keys" in chat.screen_text())
        assert any("f9" in line and "Send" in line for line in chat.screen_text().splitlines())


async def test_sampling_is_taken(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.pilot.press("f2")
        await chat.until(lambda: isinstance(chat.app.screen, SamplingScreen))
        for name, text in (("temperature", "0"), ("seed", "7"), ("stop", r'"\n\n" "###"')):
            chat.app.screen.query_one(f"#{name}", Input).value = text
        await chat.pilot.press("ctrl+s")
        await chat.until(lambda: chat.app.screen is chat.chat)
        assert chat.session.sampling == SamplingParams(
            temperature=0.0, seed=7, stop=("\n\n", "###")
        )


async def test_what_was_typed_is_let_go_for_what_the_preset_says(tmp_path: Path) -> None:
    poet = Preset("poet", PresetText(name="Poet"), sampling=PresetSampling(temperature=1.1))
    terse = Preset("terse", PresetText(name="Terse"), sampling=PresetSampling(temperature=0.3))
    async with running(tmp_path / "log", preset=poet) as chat:
        await chat.open()
        chat.session.type_sampling(temperature=0.9, top_k=5)
        await chat.pilot.press("f2", "ctrl+r", "escape")
        await chat.until(lambda: chat.app.screen is chat.chat)
        assert chat.session.sampling == SamplingParams(temperature=0.9, top_k=5)
        await chat.pilot.press("f2")
        await chat.until(lambda: isinstance(chat.app.screen, SamplingScreen))
        await chat.pilot.press("ctrl+r")
        assert chat.app.screen.query_one("#temperature", Input).value == "1.1"
        chat.app.screen.query_one("#seed", Input).value = "7"
        await chat.pilot.press("ctrl+s")
        await chat.until(lambda: chat.app.screen is chat.chat)
        assert chat.session.sampling == SamplingParams(temperature=1.1, seed=7)
        chat.session.use_preset(terse)
        assert chat.session.sampling == SamplingParams(temperature=0.3, seed=7)


async def test_a_wrong_value_is_said_beside_its_field_and_not_taken(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.pilot.press("f2")
        await chat.until(lambda: isinstance(chat.app.screen, SamplingScreen))
        screen = chat.app.screen
        field = screen.query_one("#temperature", Input)
        field.value = "3"
        await chat.pilot.press("enter")
        assert chat.app.screen is screen
        assert field.has_focus
        assert field.parent is not None
        assert words(field.parent.query_one(".range", Static)).startswith("✕")
        await chat.pilot.press("escape")
        assert chat.session.sampling == SamplingParams()


@pytest.mark.parametrize("name", NAMES)
def test_every_value_is_its_text_again(name: str) -> None:
    values = SamplingParams(seed=3, stop=("a b", "\n", '"'))
    assert from_text(name, as_text(getattr(values, name))) == getattr(values, name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("temperature", "hot"),
        ("top_k", "1.5"),
        ("stop", '"open'),
        ("stop", '"a" 1'),
        ("top_p", "0"),
    ],
)
def test_what_cannot_be_is_refused(name: str, text: str) -> None:
    with pytest.raises((ValueError, UsageError)):
        SamplingParams(**{name: from_text(name, text)})


async def test_commands_are_found_by_name(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await chat.ask("Hello")
        await chat.pilot.press("ctrl+p", *"new chat")
        await chat.until(lambda: "Begin a new conversation" in chat.screen_text())
        await chat.pilot.press("down", "enter")
        await chat.until(lambda: chat.session.turns == [])


async def test_light_and_dark(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        assert chat.app.theme == "yuren-dark"
        await chat.pilot.press("ctrl+t")
        assert chat.app.theme == "yuren-light"


async def test_without_a_model_the_starter_is_offered_installed_and_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(progress: starter.Progress) -> Path:
        progress(StarterProgress("download", 0.5, 46_500_000, 93_000_000))
        return starter.starter_dir()

    monkeypatch.setattr(starter, "install_starter", install)
    async with running(tmp_path / "log", "--answer", "Hi.", choice=None) as chat:
        assert "No model is installed" in chat.screen_text()
        await chat.until(chat.chat.is_open.is_set)
        await chat.ask("my words", wait=False)
        await chat.until(lambda: chat.toasts)
        assert chat.chat.prompt.text == "my words"
        await chat.pilot.press("shift+tab")
        await chat.until(lambda: chat.chat.query_one(Button).has_focus)
        await chat.pilot.press("enter")
        await chat.ready()
        await chat.ask("hello")
        assert chat.source() == "Hi."


@pytest.mark.parametrize("typed", [(), ("a", "backspace")])
async def test_enter_in_an_empty_prompt_installs_the_starter_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...]
) -> None:
    begun, goes_on = [], threading.Event()

    def install(progress: starter.Progress) -> Path:
        begun.append(progress)
        goes_on.wait(60)
        return starter.starter_dir()

    monkeypatch.setattr(starter, "install_starter", install)
    async with running(tmp_path / "log", choice=None) as chat:
        await chat.until(chat.chat.is_open.is_set)
        await chat.pilot.pause()
        assert chat.chat.prompt.has_focus
        await chat.pilot.press(*typed, "enter", "enter")
        await chat.until(lambda: chat.chat.query_one(Button).disabled)
        await chat.pilot.press("enter", "f5")
        goes_on.set()
        await chat.ready()
        assert len(begun) == 1
        assert chat.toasts == []


async def test_quitting_ends_an_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(progress: starter.Progress) -> Path:
        run(
            ["sh", "-c", "echo $$; exec sleep 600"],
            output=tmp_path / "child",
            log=tmp_path / "importer.log",
            environment={},
            tick=lambda: progress(StarterProgress("convert", 0.1)),
        )
        return starter.starter_dir()

    monkeypatch.setattr(starter, "install_starter", install)
    async with running(tmp_path / "log", choice=None) as chat:
        await chat.until(chat.chat.is_open.is_set)
        await chat.pilot.press("enter")
        await chat.until(lambda: "10%" in chat.screen_text())
        child = int((tmp_path / "child").read_text())
        assert is_alive(child)
        await chat.pilot.press("ctrl+q")
        await chat.until(lambda: not chat.app.is_running)
        await chat.until(lambda: not is_alive(child))
    assert chat.app.return_code == 0


async def test_an_installation_that_fails_says_why_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(progress: starter.Progress) -> Path:
        raise DownloadError("no network", "Connect and try again.")

    monkeypatch.setattr(starter, "install_starter", install)
    async with running(tmp_path / "log", choice=None) as chat:
        await chat.pilot.click(Button)
        await chat.until(lambda: chat.toasts)
        assert chat.toasts == ["no network\nConnect and try again."]
        assert not chat.chat.query_one(Button).disabled
