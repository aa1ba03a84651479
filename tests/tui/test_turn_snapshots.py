# SPDX-License-Identifier: Apache-2.0
"""Messages under the keys, the tree, the list of chats, as they look; in both languages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.test_snapshots import READY, SIZES, Compare, settled, still
from yuren_core.i18n import use_language
from yuren_core.messages import Role
from yuren_tui.app import ChatApp
from yuren_tui.screens import chat_list
from yuren_tui.screens.chat_list import ChatList
from yuren_tui.screens.tree import TreeScreen
from yuren_tui.widgets.choices import Choices
from yuren_tui.widgets.turn_editor import TurnEditor

SAID = {
    "en": (
        ("Lighthouses", "Which is the oldest lighthouse?", "The **Tower of Hercules**, still lit."),
        ("A poem about the sea", "Write a poem about the sea.", "The sea is wide.\n\nSo am I."),
        ("", "Sort this list.", "```python\nsorted(values)\n```\n\n```sh\nsort values\n```"),
    ),
    "zh": (
        ("灯塔", "最古老的灯塔是哪一座？", "**埃库莱斯塔**，至今仍在发光。"),
        ("关于海的诗", "写一首关于海的诗。", "海很宽。\n\n我也是。"),
        ("", "把这个列表排序。", "```python\nsorted(values)\n```\n\n```sh\nsort values\n```"),
    ),
}
MORE = {"en": ("And the tallest?", "In Jeddah."), "zh": ("最高的呢？", "在吉达。")}
NOW = datetime(2026, 3, 10, 13, 0, tzinfo=UTC)
Step = Callable[[ChatApp, Pilot[None], str], Awaitable[None]]


def remember(app: ChatApp, language: str) -> None:
    """Three chats, the first with branches, open; said at times that do not change."""
    session = app._session
    store, ids = session.store, []
    for title, asked, answered in SAID[language]:
        chat = store.chats.create(model=READY.model)
        store.messages.append(chat.id, Role.USER, asked)
        store.messages.append(chat.id, Role.ASSISTANT, answered, model=READY.model)
        if title:
            store.chats.rename(chat.id, title)
        ids.append(chat.id)
    first = store.messages.path(ids[0])[1]
    asked, answered = MORE[language]
    for text in (answered, f"{answered}?"):
        store.messages.append(ids[0], Role.USER, asked, parent_id=first.id)
        store.messages.append(ids[0], Role.ASSISTANT, text, model=READY.model)
    other = store.messages.retry(first.id, model=READY.model)
    store.messages.finish(other.id, SAID[language][0][2], "stopped")
    store.messages.pin(first.id)
    store.messages.select(store.messages.path(ids[0])[0].id)
    store.messages.select(first.id)
    with store.database.write() as db:
        for hours, chat_id in enumerate(ids):
            moment = round(NOW.timestamp() * 1000) - hours * 14 * 3_600_000 - 300_000
            db.execute("UPDATE chats SET updated_at = ? WHERE id = ?", (moment, chat_id))
    session.open_chat(ids[0])


async def walk(app: ChatApp, pilot: Pilot[None], language: str) -> None:
    await pilot.press("alt+up", "g", "j")


async def menu(app: ChatApp, pilot: Pilot[None], language: str) -> None:
    await pilot.press("alt+up", "g", "j", "enter")


async def edit(app: ChatApp, pilot: Pilot[None], language: str) -> None:
    await pilot.press("alt+up", "g", "s")
    await pilot.pause(0.1)
    app._chat.query_one(TurnEditor).cursor_blink = False


async def tree(app: ChatApp, pilot: Pilot[None], language: str) -> None:
    await pilot.press("f3")
    await until(pilot, TreeScreen)


async def chats(app: ChatApp, pilot: Pilot[None], language: str) -> None:
    await pilot.press("ctrl+l")
    await until(pilot, ChatList)


async def search(app: ChatApp, pilot: Pilot[None], language: str) -> None:
    await chats(app, pilot, language)
    app.screen.query_one("#query", Input).value = {"en": "sea", "zh": "海"}[language]
    await pilot.pause(0.3)


async def until(pilot: Pilot[None], kind: type[object]) -> None:
    for _ in range(200):
        await pilot.pause(0.02)
        if isinstance(pilot.app.screen, kind) and pilot.app.screen.query_one(Choices).option_count:
            return


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
@pytest.mark.parametrize("step", [walk, menu, edit, tree, chats, search])
def test_turns_and_chats(
    snap_compare: Compare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: Step,
    size: tuple[int, int],
    language: str,
) -> None:
    use_language(language)
    clock = SimpleNamespace(now=lambda: SimpleNamespace(astimezone=lambda: NOW))
    monkeypatch.setattr(chat_list, "datetime", clock)
    app = still(tmp_path)

    async def before(pilot: Pilot[None]) -> None:
        await app._chat.is_open.wait()
        remember(app, language)
        await app._chat.show_chat()
        await pilot.pause(0.1)
        await step(app, pilot, language)
        await settled(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


def test_the_list_on_sixty_columns(
    snap_compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_turns_and_chats(snap_compare, tmp_path, monkeypatch, chats, (60, 20), "en")
