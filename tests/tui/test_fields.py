# SPDX-License-Identifier: Apache-2.0
"""The arrows in a form that is higher than its panel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.chat_app import running


@pytest.mark.parametrize(("key", "height"), [("f2", 16), ("f12", 24)])
async def test_arrows_go_from_field_to_field_where_the_form_scrolls(
    tmp_path: Path, key: str, height: int
) -> None:
    async with running(tmp_path / "log", size=(80, height)) as chat:
        await chat.open()
        await chat.pilot.press(key)
        await chat.until(lambda: chat.app.focused is not chat.chat.prompt)
        fields = chat.app.screen.query_one("#fields")
        await chat.until(lambda: fields.max_scroll_y > 0)
        passed = [chat.app.focused]
        for _ in range(3):
            await chat.pilot.press("down")
            passed.append(chat.app.focused)
        assert len(set(passed)) == 4
        for before in reversed(passed[:-1]):
            await chat.pilot.press("up")
            assert chat.app.focused is before
