# SPDX-License-Identifier: Apache-2.0
"""The panels about what the model is told, as they look. `pytest --snapshot-update` draws anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import TextArea

from tests.tui.test_snapshots import SIZES, Compare, settled, still
from yuren_core.i18n import use_language
from yuren_core.messages import Role
from yuren_tui.app import ChatApp
from yuren_tui.models_at_hand import ModelAtHand
from yuren_tui.presets import (
    ActiveEntry,
    LoreEntry,
    LoreReport,
    PassedOverEntry,
    Preset,
    PresetLibrary,
    PresetText,
)
from yuren_tui.prompt_desk import PromptDesk
from yuren_tui.screens.confirm_url import ConfirmUrl
from yuren_tui.screens.context_meter import ContextScreen
from yuren_tui.screens.lore import LoreScreen
from yuren_tui.screens.models import ModelPicker
from yuren_tui.screens.preset_picker import PresetPicker
from yuren_tui.screens.prompt_history import PromptHistory
from yuren_tui.screens.system_prompt import SystemPromptScreen
from yuren_tui.session import ContextUse, ModelChoice, Profile, Turn
from yuren_tui.url_picture import Lead

Language = str
Make = Callable[[ChatApp, Language], Screen[object]]


def system_prompt(app: ChatApp, language: Language) -> Screen[object]:
    session = app._session
    session.profile = Profile("Ann", "", language)
    text = "Be kind to {{user}}.\nBe brief."
    session.new_chat(Preset("plain", PresetText(name="Plain", system=text)))
    return SystemPromptScreen(PromptDesk(session), "Be kind to {{user}}.\nSay it in two words.")


def presets(app: ChatApp, language: Language) -> Screen[object]:
    return PresetPicker(
        PresetLibrary(), edit=app._chat.edit_outside, language=language, current="lighthouse-keeper"
    )


def lore(app: ChatApp, language: Language) -> Screen[object]:
    lamp = LoreEntry("1", "The lamp", "Lit since 1891.", is_constant=True)
    fog = LoreEntry("2", "Fog", "Five blasts in fog.", keys=("fog",), where="at_depth")
    gold = LoreEntry("3", "Gold", "", keys=("gold", "treasure"))
    active = (
        ActiveEntry(lamp, lamp.content, "constant", tokens=9),
        ActiveEntry(fog, fog.content, "key", key="fog", message_index=2, tokens=7),
    )
    passed = (PassedOverEntry(LoreEntry("4", "Storm"), "cooldown"),)
    return LoreScreen(LoreReport(active, passed, 16, 200), (lamp, fog, gold))


def meter(app: ChatApp, language: Language) -> Screen[object]:
    kinds = {"system": 420, "lore": 160, "examples": 240, "history": 5200, "images": 512}
    use = ContextUse({**kinds, "opening": 3}, 1024, 8192, (1, 2), False, True)
    turns = [
        Turn(1, Role.USER, "Is anybody on the island?"),
        Turn(2, Role.ASSISTANT, "Only the keeper, and a cat.", speaker="Shen Du"),
        Turn(3, Role.USER, "Who lit the lamp?", is_pinned=True),
    ]
    return ContextScreen(use, turns)


def models(app: ChatApp, language: Language) -> Screen[object]:
    at_hand = [
        ModelAtHand(ModelChoice("/models/SmolLM2-135M-Instruct"), "recent", False, 270_000_000),
        ModelAtHand(ModelChoice("/models/yuren-13b", "8bit"), "installed", True, 26_000_000_000),
        ModelAtHand(ModelChoice("/models/gone"), "recent", is_gone=True),
    ]
    return ModelPicker(at_hand, current=at_hand[0].choice, has_pictures=True)


def prompt_history(app: ChatApp, language: Language) -> Screen[object]:
    return PromptHistory(lambda _: ["Which city is it?\nAnswer in one word.", "这是哪座城市？"])


def confirm_url(app: ChatApp, language: Language) -> Screen[object]:
    through = ("https://short.example/c",)
    lead = Lead("https://pictures.example.org/cat.png", "pictures.example.org", through, "", 83_000)
    return ConfirmUrl(lead)


async def at_rest(pilot: Pilot[None]) -> None:
    """All that is drawn in the background is drawn."""
    calm = 0  # looks in a row at which nothing was under way: on a busy machine one proves little
    for _ in range(2_000):
        await pilot.pause(0.02)
        groups = ("avatars", "refresh", "count", "begin")
        is_calm = not [worker for worker in pilot.app.workers if worker.group in groups]
        calm = calm + 1 if is_calm else 0
        if calm == 10:
            break
    for area in pilot.app.screen.query(TextArea):
        area.cursor_blink = False
    await settled(pilot)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
@pytest.mark.parametrize("make", [system_prompt, presets, lore, meter, models])
def test_panel(
    snap_compare: Compare, tmp_path: Path, make: Make, size: tuple[int, int], language: str
) -> None:
    use_language(language)
    assert snap_compare(shown(tmp_path, make, language), terminal_size=size, run_before=at_rest)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("make", [prompt_history, confirm_url])
def test_small_panel(snap_compare: Compare, tmp_path: Path, make: Make, language: str) -> None:
    use_language(language)
    app = shown(tmp_path, make, language)
    assert snap_compare(app, terminal_size=(80, 24), run_before=at_rest)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_completions(snap_compare: Compare, tmp_path: Path, language: str) -> None:
    use_language(language)

    async def before(pilot: Pilot[None]) -> None:
        await at_rest(pilot)
        await pilot.press(*"/re", "down")
        await at_rest(pilot)

    assert snap_compare(still(tmp_path), terminal_size=(80, 24), run_before=before)


@pytest.mark.parametrize("make", [system_prompt, presets, lore, meter, models])
def test_panel_on_a_small_terminal(snap_compare: Compare, tmp_path: Path, make: Make) -> None:
    app = shown(tmp_path, make, "en")
    assert snap_compare(app, terminal_size=(60, 20), run_before=at_rest)


def shown(tmp_path: Path, make: Make, language: str) -> ChatApp:
    """A chat over which the panel comes."""
    app = still(tmp_path)

    async def open_first() -> None:
        await app.push_screen(make(app, language))

    app._chat.open_first = open_first  # type: ignore[method-assign]
    return app
