# SPDX-License-Identifier: Apache-2.0
"""A conversation in lines, in a real terminal: asking, stopping, failing, ending."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.tui.chat_process import kill, wait_until_gone
from tests.tui.terminal import Terminal

SLOW = ("--answer", "word " * 200, "--token-delay", "0.05")
Talk = Callable[..., Terminal]


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Begin conversations that end with the test."""
    terminals: list[Terminal] = []

    def begin(
        *arguments: str,
        script: tuple[str, ...] = (),
        size: tuple[int, int] = (24, 80),
        **env: str,
    ) -> Terminal:
        terminals.append(Terminal("--plain", *arguments, script=script, size=size, env=env))
        return terminals[-1]

    yield begin
    for terminal in terminals:
        terminal.close()


def test_questions_and_answers_are_lines(talk: Talk) -> None:
    terminal = talk(script=("--echo",))
    terminal.wait_for("You:")
    terminal.enter("Hello")
    terminal.wait_for("You: Hello\nAssistant: Hello\nYou:")
    terminal.enter("")
    terminal.enter("first \\")
    terminal.wait_for("...")
    terminal.enter("second")
    terminal.wait_for("Assistant: first\nsecond\nYou:")
    terminal.type("\x04")
    assert terminal.end() == 0
    assert terminal.is_cooked


def test_a_dumb_terminal_gets_no_escape_sequence_and_needs_no_option() -> None:
    terminal = Terminal(script=("--answer", "\x1b[31mred\x07"), env={"TERM": "dumb"})
    terminal.wait_for("You:")
    terminal.enter("Hello")
    terminal.wait_for("␛[31mred␇\nYou:")
    terminal.enter("/quit")
    assert terminal.end() == 0
    assert "\x1b" not in terminal.output
    terminal.close()


def test_no_colour_and_no_alternate_screen(talk: Talk) -> None:
    terminal = talk(NO_COLOR="1")
    terminal.wait_for("You:")
    terminal.enter("Hello")
    terminal.wait_for("Paris.\nYou:")
    terminal.type("\x04")
    assert terminal.end() == 0
    assert "\x1b[?1049h" not in terminal.output
    assert "\x1b[3" not in terminal.output


def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(talk: Talk) -> None:
    terminal = talk(script=SLOW)
    terminal.wait_for("You:")
    terminal.enter("count")
    terminal.wait_for("word word")
    terminal.type("\x03")
    terminal.wait_for("(stopped)\nYou:")
    terminal.enter("again")
    terminal.wait_for("You: again\nAssistant: word")
    terminal.type("\x03")
    terminal.wait_for("(stopped)\nYou:")
    child = terminal.model_pid
    terminal.type("\x03")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.output
    assert terminal.is_cooked
    assert wait_until_gone(child)


def test_a_failure_is_told_and_the_conversation_goes_on(talk: Talk) -> None:
    terminal = talk(script=("--fail-generate", "the prompt is too long"))
    terminal.wait_for("You:")
    for _ in range(2):
        terminal.enter("Hello")
        terminal.wait_for("You: Hello\nError: the prompt is too long\nYou:")


def test_kill_9_in_the_answer_is_told_and_the_next_question_is_answered(talk: Talk) -> None:
    terminal = talk(script=("--answer", "one two three four", "--token-delay", "0.3"))
    terminal.wait_for("You:")
    terminal.enter("count")
    terminal.wait_for("one two")
    kill(terminal.model_pid)
    terminal.wait_for("ended (exit code -9)", "model.log\nYou:")
    terminal.enter("again")
    terminal.wait_for("Assistant: one two three four\nYou:")


def test_kill_9_while_the_person_types_is_made_good(talk: Talk) -> None:
    terminal = talk()
    terminal.wait_for("You:")
    kill(terminal.model_pid)
    terminal.enter("Hello")
    terminal.wait_for("Loading the model", "Assistant: The capital of France is Paris.\nYou:")
    assert "ended" not in terminal.text


def test_sigterm_while_the_person_types_ends_both_processes(talk: Talk) -> None:
    terminal = talk()
    terminal.wait_for("You:")
    child = terminal.model_pid
    terminal.signal(signal.SIGTERM)
    assert terminal.end() == 143
    assert terminal.is_cooked
    assert wait_until_gone(child)


def test_a_load_that_fails_ends_with_its_error(talk: Talk) -> None:
    terminal = talk(script=("--fail-load", "this is no model"))
    assert terminal.end() == 1
    assert "Error: this is no model\r\n" in terminal.output


def test_ctrl_c_while_the_model_loads_is_clean(talk: Talk) -> None:
    terminal = talk(script=("--load-delay", "5"))
    terminal.wait_for("Loading the model")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "Traceback" not in terminal.output


def test_what_is_typed_ahead_is_not_echoed_into_the_answer_and_is_asked_next(talk: Talk) -> None:
    terminal = talk(script=("--load-delay", "1", "--echo", "--token-delay", "0.4"))
    terminal.wait_for("Loading the model")
    terminal.type("one by one\rtwo\r")
    terminal.wait_for("Assistant: one")
    assert "two" not in terminal.text
    terminal.type("thr")
    terminal.wait_for("You: one by one\nAssistant: one by one\nYou: two\nAssistant: two\nYou: thr")
    assert terminal.text.splitlines()[0].startswith("Loading the model")
    assert "one" not in terminal.text.splitlines()[0]
    terminal.enter("ee")
    terminal.wait_for("You: three\nAssistant: three\nYou:")
    assert terminal.output.count("two") == 2, "once as a question, once as its answer"


def test_with_json_what_is_typed_ahead_is_shown_when_it_is_read(tmp_path: Path) -> None:
    script = ("--load-delay", "1", "--echo")
    terminal = Terminal("--json", script=script, stdout=tmp_path / "answers.jsonl")
    terminal.wait_for("Loading the model")
    terminal.enter("one")
    terminal.enter("two")
    terminal.wait_for("You: one\nYou: two\nYou:")
    assert terminal.output.count("one") == 1
    terminal.close()


ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@pytest.mark.parametrize(
    ("number", "phase"),
    [
        (signal.SIGINT, "Loading the model"),
        *((number, phase) for number in ENDS for phase in ("Loading the model", "Assistant: word")),
    ],
)
def test_a_signal_gives_the_echo_back(talk: Talk, number: int, phase: str) -> None:
    terminal = talk(script=("--load-delay", "9") if phase.startswith("Loading") else SLOW)
    if phase.startswith("Assistant"):
        terminal.wait_for("You:")
        terminal.enter("count")
    terminal.wait_for(phase)
    assert not terminal.is_cooked
    terminal.signal(number)
    while terminal.read():
        pass
    assert terminal.is_cooked


def test_ctrl_z_gives_the_echo_back_until_the_conversation_goes_on() -> None:
    # dash leaves the terminal of a stopped job as it is
    within = (
        "set -m; {command}; echo; stty -a | tr ' ;' '\\n' | grep -x -- '-*echo'; fg > /dev/null"
    )
    terminal = Terminal("--plain", script=SLOW, within=within)
    terminal.wait_for("You:")
    terminal.enter("count")
    terminal.wait_for("Assistant: word")
    terminal.type("\x1a")
    terminal.wait_for("\necho\n")
    seen = terminal.text.count("word")
    until(terminal, lambda: terminal.text.count("word") > seen and not terminal.is_cooked)
    terminal.type("\x03")
    terminal.wait_for("(stopped)\nYou:")
    terminal.close()


def test_an_error_of_the_load_gives_the_echo_back(talk: Talk) -> None:
    terminal = talk(script=("--fail-load", "this is no model", "--load-delay", "0.5"))
    terminal.wait_for("Loading the model")
    assert not terminal.is_cooked
    assert terminal.end() == 1
    assert terminal.is_cooked


def test_an_editor_gets_the_terminal_with_its_echo(talk: Talk, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\nstty -a > {tmp_path}/state\n")
    editor.chmod(0o755)
    terminal = talk(VISUAL=str(editor))
    terminal.wait_for("You:")
    terminal.enter("/system edit")
    until(terminal, (tmp_path / "state").exists)
    terminal.wait_for("You: /system edit\n", "\nYou:")
    assert " echo " in (tmp_path / "state").read_text()


def until(terminal: Terminal, is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_true():
        terminal.read()
        assert time.monotonic() < end, terminal.text


def test_commands(talk: Talk, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    terminal = talk(script=("--echo",), size=(50, 200))  # paths of tests are long
    terminal.wait_for("You:")
    terminal.enter("/help")
    terminal.wait_for("/image PATH", "Ctrl+C stops an answer, Ctrl+D ends.", "You:")
    terminal.enter("/frobnicate")
    terminal.wait_for("there is no command /frobnicate")
    terminal.enter("//frobnicate")
    terminal.wait_for("Assistant: /frobnicate")
    terminal.enter("/etc/passwd is a file")
    terminal.wait_for("Assistant: /etc/passwd is a file")
    terminal.enter("/nowhere/cat.png")
    terminal.wait_for("Error: there is no such command or file: /nowhere/cat.png", "Write //")
    terminal.enter("/image /nowhere/cat.png")
    terminal.wait_for("Error: there is no file")
    terminal.enter(f"/image {tmp_path}/cat.png")
    terminal.wait_for("goes with the next message")
    terminal.enter("")
    terminal.wait_for("Assistant: Describe this picture.")
    terminal.enter(f"{tmp_path}/cat.png")
    terminal.wait_for(f"You: {tmp_path}/cat.png\n{tmp_path}/cat.png goes with the next message")
    terminal.enter("Who?")
    terminal.wait_for("Assistant: Who?")
    terminal.enter("/new")
    terminal.wait_for("A new conversation begins.")
    terminal.enter("/quit")
    assert terminal.end() == 0


def test_with_json_stdout_has_one_object_a_line(tmp_path: Path) -> None:
    # A terminal to ask at, a file for the answers: as `yuren-chat --json > FILE`.
    terminal = Terminal("--json", script=("--echo",), stdout=tmp_path / "answers.jsonl")
    for question in ("one", "two"):
        terminal.wait_for("You:")
        terminal.enter(question)
        terminal.wait_for(f"You: {question}\nYou:")
    terminal.type("\x04")
    assert terminal.end() == 0
    terminal.close()
    lines = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["one", "two"]


def test_a_language_of_one_s_own(talk: Talk) -> None:
    terminal = talk("--lang", "zh", script=("--echo",))
    terminal.wait_for("你：")
    terminal.enter("巴黎")
    terminal.wait_for("助手：巴黎")
