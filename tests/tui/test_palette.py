# SPDX-License-Identifier: Apache-2.0
"""The command palette speaks the person's language, where it finds nothing too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.chat_app import running
from yuren_core.i18n import use_language
from yuren_tui.screens.palette import Palette


@pytest.mark.parametrize(
    ("language", "search", "none"),
    [("en", "Search", "No command is called so."), ("zh", "搜索", "没有匹配的命令。")],
)
async def test_it_says_when_it_finds_nothing(
    tmp_path: Path, language: str, search: str, none: str
) -> None:
    use_language(language)
    async with running(tmp_path / "log") as chat:
        await chat.open()
        await chat.pilot.press("ctrl+p")
        await chat.until(lambda: isinstance(chat.app.screen, Palette))
        await chat.until(lambda: search in chat.screen_text())
        await chat.pilot.press(*"qqzzqq")
        await chat.until(lambda: none in chat.screen_text())
        assert "No matches" not in chat.screen_text()
        await chat.pilot.press("escape")
        assert chat.app.screen is chat.chat
