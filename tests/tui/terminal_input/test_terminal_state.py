# SPDX-License-Identifier: Apache-2.0
"""Cursor, motion, colours, and characters that break lines elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.color import Color

from tests.tui.chat_app import running
from yuren_tui.sanitize import sanitize
from yuren_tui.terminal.appearance import apply_motion, theme_name
from yuren_tui.terminal.cursor import follow_cursor, place_cursor
from yuren_tui.terminal.environment import is_iterm, prepare
from yuren_tui.themes import THEMES

WIDE = "一二三四五六七八九十"


async def test_the_terminals_cursor_stands_after_wide_characters(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(80, 24)) as chat:
        follow_cursor(chat.chat)
        prompt = chat.chat.prompt
        await chat.pilot.press(*"ab")
        await chat.pilot.pause()
        left, top = prompt.content_region.offset
        assert chat.app.cursor_position == (left + 2, top)
        await chat.pilot.press(*WIDE)
        await chat.pilot.pause()
        assert chat.app.cursor_position == (left + 2 + 20, top)


async def test_the_cursor_follows_when_the_prompt_grows_and_moves(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(60, 24)) as chat:
        follow_cursor(chat.chat)
        prompt = chat.chat.prompt
        prompt.insert(WIDE * 8)  # 160 columns: three lines
        await chat.pilot.pause()
        assert prompt.content_region.height >= 3
        assert chat.app.cursor_position == prompt.cursor_screen_offset
        bottom = prompt.content_region.bottom - 1
        assert chat.app.cursor_position.y == bottom
        await chat.pilot.resize_terminal(60, 20)
        await chat.until(lambda: prompt.content_region.bottom - 1 == bottom - 4)
        await chat.until(lambda: chat.app.cursor_position == prompt.cursor_screen_offset)


async def test_nothing_moves_the_cursor_where_nothing_is_typed(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        before = chat.app.cursor_position
        chat.chat.set_focus(None)
        place_cursor(chat.chat)
        assert chat.app.cursor_position == before


@pytest.mark.parametrize("width", [60, 61])
async def test_wide_characters_are_wrapped_whole(tmp_path: Path, width: int) -> None:
    async with running(tmp_path / "log", size=(width, 24)) as chat:
        text = WIDE * 10
        chat.chat.prompt.text = text
        await chat.pilot.pause()
        lines = [line for line in chat.screen_text().splitlines() if "一" in line or "十" in line]
        assert "".join(char for line in lines for char in line if char in WIDE) == text
        await chat.ask(text)
        assert chat.questions == [text]
        shown = "".join(char for char in chat.screen_text() if char in WIDE)
        assert text in shown


@pytest.mark.parametrize("char", ["\u2028", "\u2029", "\x85"])
async def test_other_line_breaks_do_no_harm(tmp_path: Path, char: str) -> None:
    async with running(tmp_path / "log", "--answer", f"one{char}two") as chat:
        await chat.ready()
        prompt = chat.chat.prompt
        prompt.text = f"a{char}b"
        await chat.pilot.press("end", "c", "up", "down", "backspace", "d")
        assert prompt.text.endswith("d")
        await chat.pilot.press("enter")
        await chat.until(lambda: chat.answers)
        await chat.idle()
        assert char not in chat.screen_text()
        assert "two" in chat.screen_text()
        assert sanitize(f"a{char}b") == "a\nb"


async def test_reduced_motion_stills_animations_and_cursors(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        apply_motion(chat.app, reduced_motion=True, environment={})
        assert chat.app.animation_level == "none"
        assert chat.chat.prompt.cursor_blink is False
        apply_motion(chat.app, reduced_motion=False, environment={})
        assert chat.app.animation_level == "full"
        assert chat.chat.prompt.cursor_blink is True
        apply_motion(chat.app, reduced_motion=False, environment={"TEXTUAL_ANIMATIONS": "NONE"})
        assert chat.app.animation_level == "none"


async def test_no_color_leaves_no_colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running(tmp_path / "log") as chat:
        await chat.pilot.pause()
        assert chat.app.no_color
        for strip in chat.app.screen._compositor.render_strips():
            for segment in strip.apply_filter(chat.app._filters[0], Color(0, 0, 0)):
                if segment.style is not None and segment.style.color is not None:
                    triplet = segment.style.color.get_truecolor()
                    assert triplet.red == triplet.green == triplet.blue


def luminance(color: Color) -> float:
    def linear(channel: int) -> float:
        part = channel / 255
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(color.r) + 0.7152 * linear(color.g) + 0.0722 * linear(color.b)


def test_the_theme_of_high_contrast_has_it() -> None:
    """At least 7 to 1 (WCAG 2.2, AAA) for everything that text is written in."""
    theme = next(theme for theme in THEMES if theme.name == theme_name("x", high_contrast=True))
    for ground in (theme.background, theme.surface, theme.panel):
        for ink in (
            theme.foreground, theme.primary, theme.secondary, theme.accent,
            theme.warning, theme.error, theme.success,
        ):  # fmt: skip
            assert ground is not None
            assert ink is not None
            low, high = sorted((luminance(Color.parse(ground)), luminance(Color.parse(ink))))
            assert (high + 0.05) / (low + 0.05) >= 7


def test_themes_have_short_names() -> None:
    assert theme_name("dark") == "yuren-dark"
    assert theme_name("nord") == "nord"
    assert theme_name("nord", high_contrast=True) == "yuren-contrast"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM_PROGRAM": "iTerm.app"}, "1"),
        ({"LC_TERMINAL": "iTerm2"}, "1"),
        ({"LC_TERMINAL": "iTerm2", "TEXTUAL_DISABLE_KITTY_KEY": "0"}, "0"),
        ({"TERM_PROGRAM": "WezTerm"}, None),
        ({}, None),
    ],
)
def test_iterm_keeps_its_own_keys(environment: dict[str, str], expected: str | None) -> None:
    prepare(environment)
    assert environment.get("TEXTUAL_DISABLE_KITTY_KEY") == expected
    assert is_iterm(environment) == (expected is not None)


def test_reduced_motion_is_known_before_textual_is() -> None:
    environment: dict[str, str] = {}
    prepare(environment, reduced_motion=True)
    assert environment["TEXTUAL_ANIMATIONS"] == "none"
