# SPDX-License-Identifier: Apache-2.0
"""The footer: whole keys, and F1 among them wherever the keys go and however narrow it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from textual.widgets._footer import FooterKey

from tests.tui.chat_app import Driven, running
from yuren_core.i18n import use_language
from yuren_tui.widgets.picture import PictureChip
from yuren_tui.widgets.turn_editor import TurnEditor

HELP = {"en": "f1 Help", "zh": "f1 帮助"}


async def footer(chat: Driven) -> str:
    """What the footer shows, once it has made its keys anew."""
    await chat.pilot.pause(0.2)
    await chat.until(lambda: _last_line(chat))
    return _last_line(chat)


def _last_line(chat: Driven) -> str:
    return chat.screen_text().splitlines()[-1].strip()


async def assert_whole(chat: Driven, language: str) -> None:
    line = await footer(chat)
    assert HELP[language] in line
    keys = [f"{key.key_display} {key.description}" for key in chat.chat.query(FooterKey)]
    assert all(key in line for key in keys), line


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [40, 80, 100])
async def test_f1_is_shown_wherever_the_keys_go(tmp_path: Path, width: int, language: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    use_language(language)
    options = ("--answer", "word " * 40, "--token-delay", "0.05")
    try:
        async with running(tmp_path / "log", *options, size=(width, 24)) as chat:
            await chat.open()
            await assert_whole(chat, language)
            await chat.ask("one", wait=False)
            await chat.until(lambda: chat.session.is_answering)
            await assert_whole(chat, language)
            await chat.idle()
            await chat.ask("two")
            await chat.press("alt+up", "d")
            await chat.press("alt+up")
            assert chat.chat.transcript.turns.can_undo
            await assert_whole(chat, language)
            await chat.press("e")
            await chat.until(lambda: chat.chat.query(TurnEditor))
            await assert_whole(chat, language)
            await chat.press("escape")
            chat.chat.attach([tmp_path / "cat.png"])
            await chat.until(lambda: chat.chat.query(PictureChip))
            chat.chat.query_one(PictureChip).focus()
            await assert_whole(chat, language)
    finally:
        use_language("en")


async def test_a_wider_terminal_shows_more_keys(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(40, 24)) as chat:
        await chat.open()
        assert "Sampling" not in await footer(chat)
        await chat.pilot.resize_terminal(120, 30)
        assert "f2 Sampling" in await footer(chat)
        assert "^p Commands" in await footer(chat)
        await chat.pilot.resize_terminal(80, 24)
        line = await footer(chat)
        assert ("f1 Help" in line, "Commands" in line) == (True, False)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_presets_show_all_their_keys_in_100_columns(
    tmp_path: Path, language: str
) -> None:
    use_language(language)
    async with running(tmp_path / "log", size=(100, 24)) as chat:
        await chat.open()
        await chat.pilot.press("f9")
        await chat.until(lambda: "^g" in chat.screen_text().splitlines()[-1])
        footer = chat.screen_text().splitlines()[-1]
        assert all(key in footer for key in ("^t", "^g", "^n", "f8", "^d", "^o", "^s"))
