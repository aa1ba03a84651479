# SPDX-License-Identifier: Apache-2.0
"""A long import leaves the front end free, says how far it is, and can be left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.tui.chat_app import running
from yuren_core.errors import UsageError
from yuren_core.i18n import use_language
from yuren_core.messages import Role
from yuren_tui.importing import import_chats
from yuren_tui.store import Store
from yuren_tui.store.transfer import export_chats

_CHATS = 60


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A file with many chats."""
    with Store.open(tmp_path / "old") as store:
        for number in range(_CHATS):
            chat_id = store.chats.create().id
            store.messages.append(chat_id, Role.USER, f"Question {number}")
        ids = [chat.id for chat in store.chats.page(limit=_CHATS)]
        export_chats(store, ids, tmp_path / "backup.json", "json")
    return tmp_path / "backup.json"


async def test_the_loop_goes_on_while_chats_are_imported(backup: Path, tmp_path: Path) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    with Store.open(tmp_path / "new") as store:
        work = asyncio.create_task(import_chats(store, backup, said.put_nowait))
        assert await said.get() == "Importing backup.json… chats so far: 0"
        assert not work.done()
        report = await work
        assert len(report.imported) == _CHATS


async def test_an_import_that_is_left_ends_between_two_chats(backup: Path, tmp_path: Path) -> None:
    use_language("zh")
    said: list[str] = []
    with Store.open(tmp_path / "new") as store:
        work = asyncio.create_task(import_chats(store, backup, said.append))
        for _ in range(10_000):
            if store.chats.page():
                break
            await asyncio.sleep(0.001)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert said[-1].startswith("导入已中止")
        await asyncio.get_running_loop().shutdown_default_executor()
        assert 0 < len(store.chats.page(limit=_CHATS)) < _CHATS
        assert store.check() == []


async def test_what_cannot_be_read_is_refused_as_ever(tmp_path: Path) -> None:
    with Store.open(tmp_path / "new") as store, pytest.raises(UsageError):
        await import_chats(store, tmp_path / "x.json", lambda _: None)


async def test_the_screen_says_that_it_imports(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(tmp_path / "new")
    async with running(tmp_path / "log", store=lambda: store) as driven:
        await driven.open()
        said: list[str] = []
        notify = driven.app.notify

        def remember(message: str, **values: Any) -> None:  # before it goes
            said.append(message)
            notify(message, **values)

        monkeypatch.setattr(driven.app, "notify", remember)
        driven.chat.prompt.text = f"/import {backup}"
        await driven.pilot.press("enter")
        await driven.until(lambda: any("Importing backup.json" in message for message in said))
        await driven.until(lambda: len(store.chats.page(limit=_CHATS + 1)) == _CHATS)
