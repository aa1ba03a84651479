# SPDX-License-Identifier: Apache-2.0
"""What is not loaded by the time that the chat is first seen, in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = ("torch", "transformers", "open_clip", "deepspeed", "bitsandbytes", "PIL", "numpy")

SCRIPT = f"""
import asyncio, sys
from yuren_core.client import ModelClient
from yuren_tui import cli
from yuren_tui.app import ChatApp
from yuren_tui.screens.chat import ChatScreen
from yuren_tui.session import ModelChoice, Session

found = []

class Looking(ChatApp):
    CSS_PATH = ChatApp.CSS_PATH

    def _display(self, screen, renderable):
        if not found and screen is self._chat and screen.query("#prompt"):
            found.append([name for name in {HEAVY!r} if name in sys.modules])
        super()._display(screen, renderable)

async def main():
    client = ModelClient((sys.executable, "-m", "yuren_core.scripted"))
    app = Looking(Session(client), choice=ModelChoice("any"))
    async with app.run_test() as pilot:
        await pilot.pause(0.3)
        assert app._chat.query("FooterKey"), "the chat did not go on after its first frame"
    await client.close()
    print(found)
    print([name for name in {HEAVY!r} if name in sys.modules])

asyncio.run(main())
"""


def test_nothing_heavy_is_loaded_for_the_first_frame_or_by_an_idle_chat(tmp_path: Path) -> None:
    script = tmp_path / "first_frame.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines() == ["[[]]", "[]"], done.stdout + done.stderr
