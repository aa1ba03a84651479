# SPDX-License-Identifier: Apache-2.0
"""Another model in the same chat: found, typed, loaded, refused; and what is said of blind ones."""

from __future__ import annotations

import json
from pathlib import Path

from textual.widgets import Static

from tests.tui.chat_app import CHOICE, Driven, running, words
from yuren_core.paths import models_dir
from yuren_tui.attaching import read_pictures
from yuren_tui.models_at_hand import models_at_hand
from yuren_tui.screens.models import ModelPicker
from yuren_tui.session import ModelChoice

CAT = Path(__file__).parents[2] / "assets" / "pictures" / "cat.png"


def install(name: str, **config: object) -> str:
    directory = models_dir() / name
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "model.safetensors").write_bytes(b"0" * 100)
    return str(directory)


async def picker(chat: Driven) -> ModelPicker:
    await chat.pilot.press("f10")
    await chat.until(lambda: isinstance(chat.app.screen, ModelPicker))
    screen = chat.app.screen
    assert isinstance(screen, ModelPicker)
    return screen


async def test_an_installed_one_is_loaded_and_remembered(tmp_path: Path) -> None:
    path = install("tiny-llama")
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await chat.ask("Hello")
        await picker(chat)
        await chat.pilot.press(*"llama", "f2", "f3", "enter")
        await chat.until(lambda: chat.session.choice == ModelChoice(path, "bf16", "cpu"))
        await chat.ready()
        await chat.until(lambda: "scripted answers from now on." in chat.toasts)
        assert chat.session.store.history.models()[0].model == path
        assert len(chat.questions) == 1
        await chat.ask("Still there?")
        assert len(chat.answers) == 2


async def test_what_is_typed_is_loaded_and_a_failure_brings_the_old_one_back(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "log", "--fail-model", "some/[b]hub") as chat:
        await chat.ready()
        screen = await picker(chat)
        await chat.pilot.press(*"some/[b]hub")
        assert "From the hub" in words(screen.query_one("#about", Static))
        await chat.pilot.press("enter")
        await chat.until(lambda: chat.notices)
        assert chat.notices == ["there is no model some/[b]hub"]
        await chat.until(lambda: chat.session.choice == CHOICE)
        await chat.ready()
        assert chat.session.store.history.models() == []


async def test_the_loaded_one_is_listed_wherever_it_came_from(tmp_path: Path) -> None:
    install("tiny-llama")
    choice = ModelChoice("owner/from-the-hub", "8bit")
    async with running(tmp_path / "log", choice=choice) as chat:
        await chat.ready()
        await picker(chat)
        await chat.until(lambda: "● owner/from-the-hub" in chat.screen_text())
        assert "tiny-llama" in chat.screen_text()
        assert "8bit" in chat.screen_text()
        await chat.pilot.press("escape")
        assert chat.session.choice == choice


async def test_a_switch_in_the_middle_of_a_load(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--load-delay", "0.6") as chat:
        await chat.until(lambda: chat.session.model.phase == "loading")
        await picker(chat)
        await chat.pilot.press(*"other/model", "enter")
        await chat.ready()
        assert chat.session.choice == ModelChoice("other/model")
        ready = chat.session.model.ready
        assert ready is not None
        assert ready.path == "other/model"


async def test_a_blind_one_is_warned_of_where_the_chat_has_pictures(tmp_path: Path) -> None:
    install("blind", model_type="llama")
    async with running(tmp_path / "log", "--blind") as chat:
        await chat.ready()
        pictures, _ = await read_pictures([CAT])
        chat.session.chat.ask("What is it?", pictures)
        screen = await picker(chat)
        await chat.pilot.press(*"blind")
        await chat.until(lambda: "cannot see" in words(screen.query_one("#about", Static)))
        assert "text only" in chat.screen_text()
        await chat.pilot.press("enter")
        await chat.until(lambda: any("cannot see" in toast for toast in chat.toasts))


def test_what_is_said_of_a_model_comes_from_its_files(tmp_path: Path) -> None:
    install("seeing", mm_vision_tower="vision_tower")
    install("plain")
    (models_dir() / ".half").mkdir()
    (models_dir() / "damaged").mkdir()
    (models_dir() / "damaged" / "config.json").write_text("{")
    found = {one.name: one for one in models_at_hand([])}
    assert sorted(found) == ["damaged", "plain", "seeing"]
    assert (found["seeing"].sees, found["plain"].sees) == (True, False)
    assert found["plain"].size_bytes == 100
    assert found["damaged"].sees is None


def test_an_adapter_is_at_hand_with_what_is_known_of_its_base() -> None:
    base = install("base", mm_vision_tower="vision_tower")
    for name, model in (("on-base", base), ("on-nothing", "/gone"), ("on-itself", "on-itself")):
        directory = models_dir() / name
        directory.mkdir()
        config = {"peft_type": "LORA", "base_model_name_or_path": model}
        (directory / "adapter_config.json").write_text(json.dumps(config))
        (directory / "adapter_model.safetensors").write_bytes(b"0" * 10)
    found = {one.name: (one.sees, one.size_bytes, one.is_gone) for one in models_at_hand([])}
    assert found == {
        "base": (True, 100, False),
        "on-base": (True, 110, False),
        "on-itself": (None, 10, False),
        "on-nothing": (None, 10, False),
    }
