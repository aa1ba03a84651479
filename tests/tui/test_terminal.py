# SPDX-License-Identifier: Apache-2.0
"""The chat's screen in a real terminal: keys in, cells out, and what is left behind at the end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tui.chat_process import kill, wait_until_gone
from tests.tui.terminal import Terminal

COUNT = ("--answer", "one two three four five six seven eight nine ten", "--token-delay", "0.2")
READY = "scripted"  # the model's name in the status bar
ALTERNATE, NORMAL = "\x1b[?1049h", "\x1b[?1049l"
Open = Callable[..., Terminal]


@pytest.fixture
def open_chat() -> Iterator[Open]:
    """Open chats that end with the test."""
    terminals: list[Terminal] = []

    def make(*arguments: str, **options: object) -> Terminal:
        terminals.append(Terminal(*arguments, **options))  # type: ignore[arg-type]
        terminals[-1].wait_for(READY)
        return terminals[-1]

    yield make
    for terminal in terminals:
        terminal.close()


def assert_left_clean(terminal: Terminal) -> None:
    """The terminal is as it was before."""
    assert terminal.is_cooked
    assert (
        terminal.output.count(NORMAL) == 1
    )  # entered by the first frame and by the chat, left once
    assert terminal.output.rindex(NORMAL) > terminal.output.rindex(ALTERNATE)
    assert terminal.output.rindex("\x1b[?25h") > terminal.output.rindex("\x1b[?25l")  # the cursor
    assert "Traceback" not in terminal.output


def test_a_question_is_answered_and_ctrl_q_leaves_all_clean(open_chat: Open) -> None:
    terminal = open_chat(script=("--echo",))
    child = terminal.model_pid
    terminal.type("What is 猫?")
    terminal.wait_for("│ What is 猫?")
    terminal.type("\r")
    terminal.wait_for("▌ You\n ▌ What is 猫?", "▌ scripted\n ▌ What is 猫?")
    terminal.type("\x11")
    assert terminal.end() == 0
    assert_left_clean(terminal)
    assert wait_until_gone(child)


def test_esc_keeps_what_is_there_and_the_next_question_is_answered(open_chat: Open) -> None:
    terminal = open_chat(script=COUNT)
    terminal.enter("count")
    terminal.wait_for("one two")
    terminal.type("\x1b")
    terminal.wait_for("stopped")
    assert "one two" in terminal.text
    assert "ten" not in terminal.text
    terminal.enter("again")
    terminal.wait_for("▌ again")
    terminal.wait_for("eight nine ten")


def test_kill_9_keeps_what_is_there_and_the_next_question_is_answered(open_chat: Open) -> None:
    terminal = open_chat(script=COUNT)
    terminal.enter("count")
    terminal.wait_for("one two")
    dead = terminal.model_pid
    kill(dead)
    terminal.wait_for("one two", "SIGKILL")
    terminal.enter("again")
    terminal.wait_for("▌ again", "eight nine ten")
    assert "one two" in terminal.text
    assert terminal.model_pid != dead


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back_and_ends_the_model(open_chat: Open, number: int) -> None:
    terminal = open_chat(script=COUNT)
    child = terminal.model_pid
    terminal.enter("count")
    terminal.wait_for("one two")
    terminal.signal(number)
    assert terminal.end() == 128 + number
    assert_left_clean(terminal)
    assert wait_until_gone(child)


def test_a_terminal_that_is_gone_holds_nobody_back(open_chat: Open) -> None:
    script = ("--answer", "word " * 600, "--token-delay", "0.01")
    terminal = open_chat(script=script, within="trap '' HUP; exec {command}")  # as under nohup
    child = terminal.model_pid
    terminal.enter("count")
    terminal.wait_for("word word")
    terminal.hang_up()
    time.sleep(2)  # what it draws meanwhile finds no terminal, many times
    terminal.signal(signal.SIGTERM)
    assert wait_until_gone(terminal.pid)
    assert wait_until_gone(child)


def test_ctrl_c_twice_quits(open_chat: Open) -> None:
    terminal = open_chat()
    terminal.type("\x03")
    terminal.wait_for("again")
    terminal.type("\x03")
    assert terminal.end() == 0
    assert_left_clean(terminal)


def test_what_a_model_writes_never_acts_on_the_terminal(open_chat: Open) -> None:
    hostile = "\x1b]0;mine\x07\x1b[2J[b]bold[/b] \x9b31m \u202eend"
    terminal = open_chat(script=("--answer", hostile))
    terminal.enter("hello")
    terminal.wait_for("▌ hello", "end", "[b]bold[/b]")
    assert "\x1b]0;mine" not in terminal.output
    assert "\x9b" not in terminal.output
    assert "\u202e" not in terminal.output


def test_a_terminal_without_colours_and_a_locale_without_utf_8(open_chat: Open) -> None:
    terminal = open_chat(env={"NO_COLOR": "1", "TERM": "vt100", "LANG": "C"})
    terminal.enter("hello")
    terminal.wait_for("Paris")


def test_a_picture_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_text("no picture")
    for path, told in (
        (tmp_path / "dog.png", "no file"),
        (tmp_path / "cat.png", "is not a picture"),
    ):
        terminal = Terminal("--image", str(path), "What is this?", size=(24, 300))
        assert terminal.end() == 2
        assert terminal.output.startswith("Error: ")
        assert told in terminal.output
        assert ALTERNATE not in terminal.output
        terminal.close()


def test_a_theme_that_is_not_there_is_a_usage_error() -> None:
    terminal = Terminal("--theme", "mauve")
    assert terminal.end() == 2
    assert "Error: there is no theme mauve\r\nChoose one of: dark, light" in terminal.output
    assert ALTERNATE not in terminal.output
