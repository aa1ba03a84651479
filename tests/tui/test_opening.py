# SPDX-License-Identifier: Apache-2.0
"""The first frame: where the chat will draw, nothing typed lost, the terminal as it was."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import time

import pyte

from yuren_tui.opening import frame

PROGRAM = """
import sys, time
from yuren_tui.opening import opening_frame
heavy = {"textual", "rich", "asyncio", "sqlite3"} & sys.modules.keys()
with opening_frame("Write a message"):
    time.sleep(0.5)
    if "fail" in sys.argv:
        raise SystemExit(3)
print("typed", input(), sorted(heavy))
"""


def test_the_box_stands_where_the_chats_own_will() -> None:
    screen = pyte.Screen(40, 12)
    pyte.Stream(screen).feed(frame("写点什么", 40, 12))
    assert screen.display[7].startswith("╭──")
    assert screen.display[8].replace(" ", "").startswith("│写点什么")
    assert screen.display[9].startswith("╰──")
    assert (screen.cursor.y, screen.cursor.x) == (8, 2)


def run(*arguments: str) -> tuple[bytes, int, bool]:
    """Run the program on a terminal and type into it; its output, exit code, echo afterwards."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdin=slave, stdout=slave, stderr=slave
    ) as process:
        output = b""
        while b"rite a message" not in output:
            output += os.read(master, 4096)
        time.sleep(0.1)
        os.write(master, "你好\n".encode())
        code = process.wait(20)
    echoes = bool(termios.tcgetattr(slave)[3] & termios.ECHO)
    os.close(slave)
    try:
        while chunk := os.read(master, 4096):
            output += chunk
    except OSError:
        pass
    os.close(master)
    return output, code, echoes


def test_what_is_typed_meanwhile_waits_unseen_and_nothing_heavy_is_imported() -> None:
    output, code, echoes = run()
    assert code == 0
    assert output.decode().count("你好") == 1
    assert "typed 你好 []" in output.decode()
    assert echoes


def test_a_failure_gives_the_terminal_back() -> None:
    output, code, echoes = run("fail")
    assert code == 3
    assert output.endswith(b"\x1b[?1049l")
    assert echoes


def test_without_a_terminal_nothing_is_drawn() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=b"x\n", capture_output=True, check=True
    )
    assert done.stdout == b"typed x []\n"
