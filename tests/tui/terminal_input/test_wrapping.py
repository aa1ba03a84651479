# SPDX-License-Identifier: Apache-2.0
"""Lines of Chinese are filled, and begin with no comma; everything else breaks as it did."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.content import Content
from textual.widgets import TextArea

from tests.tui.chat_app import running
from yuren_tui.terminal.wrapping import install, pieces


def wrapped(text: str, width: int) -> list[str]:
    assert install()
    return [line.plain.rstrip() for line in Content(text).wrap(width)]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("我在 GitHub 上看到一个项目", 16, ["我在 GitHub 上看", "到一个项目"]),
        ("他说，你好，世界。", 8, ["他说，你", "好，世", "界。"]),
        ("支持“中文输入法”吗", 10, ["支持“中文", "输入法”吗"]),
        ("支持的“中文输入法", 7, ["支持的", "“中文输", "入法"]),
        ("用（中文）写", 6, ["用（中", "文）写"]),
        ("看 https://example.org/a-b.c，好", 24, ["看", "https://example.org/a-b.", "c，好"]),
        ("plain words, as ever", 12, ["plain words,", "as ever"]),
        ("한국어는 띄어 쓴다", 8, ["한국어는", "띄어", "쓴다"]),
        ("价格是￥100，打九折是50%。", 10, ["价格是", "￥100，打", "九折是", "50%。"]),
    ],
)
def test_lines_break_where_they_may(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width) == lines


@given(
    st.text(st.sampled_from("中文，。“”（）a1 ,.(\u3000😀한ー々"), max_size=60), st.integers(4, 20)
)
def test_nothing_is_lost_and_no_line_is_too_wide(text: str, width: int) -> None:
    assert "".join(pieces(text)) == text
    lines = wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    wide = [sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in li) for li in lines]
    assert all(cells <= width for cells in wide)


async def test_the_prompt_and_its_cursor_follow(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(40, 20)) as chat:
        await chat.ready()
        prompt = chat.chat.prompt
        assert isinstance(prompt, TextArea)
        text = "我在 GitHub 上看到一个项目，它的名字叫做羽人，真是太好了"
        prompt.text = text
        prompt.move_cursor((0, len(text)))
        await chat.until(lambda: prompt.wrapped_document.height == 2)
        first = prompt.wrapped_document.get_sections(0)[0]
        assert first.startswith("我在 GitHub 上看到")
        assert not first.endswith("GitHub ")
