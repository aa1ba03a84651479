# SPDX-License-Identifier: Apache-2.0
"""Every screen as it looks, at 80x24 and 120x40. `pytest --snapshot-update` draws them anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.chat_app import CHOICE, scripted
from yuren_core.i18n import use_language
from yuren_core.protocol import Ready
from yuren_tui.app import ChatApp
from yuren_tui.screens.file_picker import PictureTree
from yuren_tui.session import ModelState, Session
from yuren_tui.widgets.picture import ThumbnailView
from yuren_tui.widgets.turn_view import TurnView

SIZES = [(80, 24), (120, 40)]
CAT = Path(__file__).parents[2] / "assets" / "pictures" / "cat.png"
READY = Ready(1, "SmolLM2-135M-Instruct", "/m", "cpu", "bf16", 0, 8192, 18, 1.0)
ANSWER = {
    "en": "Paris, on the **Seine**.\n\n```python\nprint('Paris')\n```\n\n- the Louvre\n- `Orsay`\n",
    "zh": "**巴黎。**它在塞纳河畔。\n\n```python\nprint('巴黎')\n```\n\n- 卢浮宫\n- `奥赛`\n",
}
Compare = Callable[..., bool]


@pytest.fixture(params=SIZES, ids=["80x24", "120x40"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    """Of the terminal."""
    width, height = request.param
    return width, height


def still(tmp_path: Path, *, theme: str = "dark", has_model: bool = True) -> ChatApp:
    """A chat that starts no process and shows no times, so that it looks the same each time."""
    session = Session(scripted(tmp_path / "log"))
    app = ChatApp(session, choice=CHOICE if has_model else None, theme=theme)

    def nothing_to_load() -> None:
        state = ModelState(phase="ready", ready=READY) if has_model else ModelState()
        link = getattr(session, "link", None)
        if link is None:
            session.model = state  # type: ignore[misc]
        else:
            link.state = state
        app._chat.show_status()

    app._chat.load_model = nothing_to_load  # type: ignore[method-assign,assignment]
    app._chat.look = lambda: None  # type: ignore[method-assign,assignment]
    return app


async def settled(pilot: Pilot[None]) -> None:
    """All thumbnails read, all Markdown drawn, no cursor that blinks."""
    app = pilot.app
    for _ in range(200):
        await pilot.pause(0.02)
        busy = [w for w in app.workers if w.group in ("thumbnail", "describe", "stream", "attach")]
        views = [view for view in app.screen.query(ThumbnailView) if view.path and not view._lines]
        if not busy and not views:
            break
    for field in (*app.screen.query(Input), app.screen_stack[0].query_one("#prompt")):
        field.cursor_blink = False  # type: ignore[attr-defined]
    await pilot.pause(0.1)


async def converse(pilot: Pilot[None], language: str = "en") -> None:
    """One picture, one question, one answer."""
    app = pilot.app
    assert isinstance(app, ChatApp)
    chat = app._chat
    from yuren_tui.attaching import read_pictures

    await chat.is_open.wait()
    pictures, _ = await read_pictures([CAT])
    question = "Which city is it?" if language == "en" else "这是哪座城市？"
    you = "You" if language == "en" else "你"
    views = [
        TurnView(1, True, you, question, tuple(pictures), picture_cost=18),
        TurnView(2, False, READY.model, ANSWER[language], ending="stopped"),
    ]
    await chat.transcript.show(views)
    chat.pictures.pictures = tuple(pictures)
    await settled(pilot)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_chat(
    snap_compare: Compare, tmp_path: Path, size: tuple[int, int], language: str, theme: str
) -> None:
    use_language(language)

    async def before(pilot: Pilot[None]) -> None:
        await converse(pilot, language)

    assert snap_compare(still(tmp_path, theme=theme), terminal_size=size, run_before=before)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_welcome(
    snap_compare: Compare, tmp_path: Path, size: tuple[int, int], language: str
) -> None:
    use_language(language)
    assert snap_compare(still(tmp_path), terminal_size=size, run_before=settled)


def test_starter_offer(snap_compare: Compare, tmp_path: Path, size: tuple[int, int]) -> None:
    app = still(tmp_path, has_model=False)
    assert snap_compare(app, terminal_size=size, run_before=settled)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_help(snap_compare: Compare, tmp_path: Path, size: tuple[int, int], language: str) -> None:
    use_language(language)

    async def before(pilot: Pilot[None]) -> None:
        await pilot.press("f1")
        await settled(pilot)

    assert snap_compare(still(tmp_path), terminal_size=size, run_before=before)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_sampling(
    snap_compare: Compare, tmp_path: Path, size: tuple[int, int], language: str
) -> None:
    use_language(language)

    async def before(pilot: Pilot[None]) -> None:
        await pilot.press("f2")
        await pilot.pause()
        pilot.app.screen.query_one("#temperature", Input).value = "3"
        await settled(pilot)

    assert snap_compare(still(tmp_path), terminal_size=size, run_before=before)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_file_picker(
    snap_compare: Compare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    language: str,
) -> None:
    use_language(language)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "cat.png").write_bytes(CAT.read_bytes())
    monkeypatch.chdir(pictures)

    async def before(pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+o")
        await pilot.pause(0.3)
        pilot.app.screen.query_one(PictureTree).focus()
        await pilot.press("down")
        await pilot.pause(0.3)
        await settled(pilot)

    assert snap_compare(still(tmp_path), terminal_size=size, run_before=before)


def test_sixty_columns(snap_compare: Compare, tmp_path: Path) -> None:
    assert snap_compare(still(tmp_path), terminal_size=(60, 20), run_before=converse)
