# SPDX-License-Identifier: Apache-2.0
"""The panels in a real terminal, with the keys as a terminal sends them."""

from __future__ import annotations

from pathlib import Path

from tests.tui.terminal import Terminal

F6, F8, F9, F10, F12 = "\x1b[17~", "\x1b[19~", "\x1b[20~", "\x1b[21~", "\x1b[24~"
ESC, UP, DOWN = "\x1b", "\x1b[A", "\x1b[B"
CTRL_E, CTRL_G, CTRL_Q, CTRL_R, CTRL_S = "\x05", "\x07", "\x11", "\x12", "\x13"


def test_a_walk_through_the_panels(tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf " 和更多" >> "$1"\n')
    editor.chmod(0o755)
    environment = {"VISUAL": str(editor)}
    terminal = Terminal(script=("--echo",), size=(40, 120), env=environment)
    try:
        terminal.wait_for("scripted", "f1 Help")
        terminal.type(F9)
        terminal.wait_for("Shen Du, lighthouse keeper")
        terminal.type("lighthouse\r")
        terminal.wait_for("ledger")  # the greeting
        terminal.type(CTRL_E)
        terminal.wait_for("System prompt", "Preview", "tokens")
        terminal.type("Speak of {{user}}.")
        terminal.wait_for("not saved yet", "Speak of Friend.", "Scenario: Friend missed")
        terminal.type(CTRL_S)
        terminal.wait_for("the model is told this")
        terminal.enter("The fog comes in")
        terminal.wait_for("▌ You\n ▌ The fog comes in", "▌ Shen Du\n ▌ Answer as")
        terminal.type(F6)
        terminal.wait_for("Room for the answer", "pushes nothing out", "esc Close")
        terminal.type(ESC)
        terminal.wait_for("f1 Help")  # Esc and a letter after it would be Alt
        terminal.type(F8)
        terminal.wait_for("Told now", "esc Close")
        terminal.type(ESC)
        terminal.wait_for("f1 Help")  # Esc and a letter after it would be Alt
        terminal.type("draft")
        terminal.wait_for("│ draft")
        terminal.type(UP)
        terminal.wait_for("│ The fog comes in")
        terminal.type(DOWN)
        terminal.wait_for("│ draft")
        terminal.type(CTRL_G)
        terminal.wait_for("│ draft 和更多")
        terminal.type(CTRL_R)
        terminal.wait_for("Earlier prompts")
        terminal.type("fog\r")
        terminal.wait_for("│ The fog comes in")
        terminal.type(F10)
        terminal.wait_for("Precision", "Device")
        terminal.type("other/model\r")
        terminal.wait_for("answers from now on")
        terminal.type(F12)
        terminal.wait_for("Settings", "esc Close")
        terminal.type(ESC)
        terminal.wait_for("f1 Help")
        terminal.type(CTRL_Q)
        assert terminal.end() == 0
        assert "Traceback" not in terminal.output
    finally:
        terminal.close()
