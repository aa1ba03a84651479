# SPDX-License-Identifier: Apache-2.0
"""`kill -9` of the whole chat, in a real terminal: what `--continue` then finds."""

from __future__ import annotations

from pathlib import Path

from tests.tui.chat_process import kill, wait_until_gone
from tests.tui.terminal import Terminal
from yuren_core.messages import Role
from yuren_tui.store import Store

COUNT = ("--answer", " ".join(f"w{i}" for i in range(200)), "--token-delay", "0.05")


def test_draft_and_partial_answer_survive_kill_9(home: Path) -> None:
    terminal = Terminal(script=COUNT)
    try:
        terminal.wait_for("scripted")
        terminal.enter("count")
        terminal.wait_for("w20")
        terminal.type("half a 句子")
        terminal.wait_for("half a 句子")
        for _ in range(20):  # a second, of which a part may be lost
            terminal.read()
        model = terminal.model_pid
        kill(terminal.pid)
        assert wait_until_gone(model)
    finally:
        terminal.close()
    terminal = Terminal("--continue", script=COUNT)
    try:
        terminal.wait_for("▌ count", "w20", "half a 句子", "broken off")
        terminal.type("\x03\x03")
        assert terminal.end() == 0
    finally:
        terminal.close()
    with Store.open(home / "data") as store:
        last = store.chats.last()
        assert last is not None
        question, answer = store.messages.path(last.id)
        assert (question.role, question.text) == (Role.USER, "count")
        assert answer.status == "failed"
        assert store.check() == []
