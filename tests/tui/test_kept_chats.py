# SPDX-License-Identifier: Apache-2.0
"""Chats that outlive their process, kept, continued, listed, exported, imported."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.tui.chat_process import CHAT, Said, chat, kill, wait_until_gone
from tests.tui.terminal import Terminal
from yuren_core.messages import Role
from yuren_tui.store import Store

Talk = Callable[..., Terminal]


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Begin conversations that end with the test."""
    terminals: list[Terminal] = []

    def begin(*arguments: str, script: tuple[str, ...] = ("--echo",), **env: str) -> Terminal:
        terminals.append(Terminal("--plain", *arguments, script=script, env=env))
        terminals[-1].wait_for("You:" if env.get("LANG") != "zh_CN.UTF-8" else "你：")
        return terminals[-1]

    yield begin
    for terminal in terminals:
        terminal.close()


def quit_(terminal: Terminal) -> None:
    terminal.enter("/quit")
    assert terminal.end() == 0


def listed(*arguments: str) -> Said:
    """`yuren-chat` without a model; the list of chats where nothing else is asked for."""
    asked = arguments or ("--list-chats",)
    done = subprocess.run([*CHAT, *asked], capture_output=True, check=False)
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def kept() -> Store:
    return Store.open()


def told(arguments: str, question: str) -> Said:
    """One answer that is the question, with what was told counted."""
    return chat("--json", *arguments.split(), question, script=("--echo",))


def a_chat(*texts: str, title: str = "") -> int:
    """A chat that is in the store already."""
    with kept() as store:
        made = store.chats.create()
        for place, text in enumerate(texts):
            store.messages.append(made.id, Role.ASSISTANT if place % 2 else Role.USER, text)
        if title:
            store.chats.rename(made.id, title)
    return made.id


# ---------------------------------------------------------------- kept and continued


def test_one_answer_is_kept_in_no_chat_and_told_no_preset(home: Path) -> None:
    said = told("", "one two three")
    assert json.loads(said.out)["prompt_tokens"] == 3 + 4
    assert not list(home.rglob("*.sqlite3"))


def test_a_conversation_goes_on_in_another_process(talk: Talk) -> None:
    terminal = talk("--system", "Be brief.")
    terminal.enter("Tell me of Paris")
    terminal.wait_for("Assistant: Tell me of Paris\nYou:")
    quit_(terminal)
    again = talk("--continue")
    again.wait_for("Chat 1: Tell me of Paris\nYou: Tell me of Paris\nAssistant: Tell me of Paris")
    again.enter("And Rome")
    again.wait_for("Assistant: And Rome\nYou:")
    quit_(again)
    # What the model is told: the system prompt, and both exchanges with the new question.
    said = told("--continue", "three words more")
    assert json.loads(said.out)["prompt_tokens"] == (2 + 4) + 2 * (4 + 4) + 2 * (2 + 4) + (3 + 4)
    with kept() as store:
        assert [m.text for m in store.messages.path(1)][-2:] == ["three words more"] * 2


def test_a_chat_is_opened_by_its_number(talk: Talk) -> None:
    number = a_chat("First question", "First answer")
    a_chat("Second question", "Second answer")
    terminal = talk("--chat", str(number))
    terminal.wait_for("You: First question\nAssistant: First answer\nYou:")
    quit_(terminal)


@pytest.mark.parametrize("mode", [("--plain", "hello"), ()])
def test_a_chat_that_is_not_there_is_a_usage_error(mode: tuple[str, ...]) -> None:
    said = chat("--chat", "99", *mode, stdin=b"hello")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("Error: there is no chat 99\n")


def test_the_screen_too_refuses_a_chat_or_a_preset_that_is_not_there() -> None:
    for arguments, message in (
        (("--chat", "99"), "there is no chat 99"),
        (("--preset", "nobody"), "there is no preset nobody"),
    ):
        terminal = Terminal(*arguments)
        assert terminal.end() in (1, 2)
        assert message in terminal.output
        assert "\x1b[?1049h" not in terminal.output
        terminal.close()


def test_what_was_typed_goes_before_what_the_chat_remembers() -> None:
    with kept() as store:
        store.chats.create(system_prompt="You are a very long winded speaker.")
        store.messages.append(1, Role.USER, "a")
        store.messages.append(1, Role.ASSISTANT, "b")
    said = told("--chat 1 --system Brief --max-new-tokens 1", "one two")
    assert json.loads(said.out)["prompt_tokens"] == 5 + 5 + 5 + 6
    with kept() as store:
        assert store.chats.get(1).system_prompt == "Brief"
        assert store.messages.path(1)[-1].text == "one "


def test_continue_begins_a_chat_where_there_is_none() -> None:
    assert told("--continue", "hello").code == 0
    with kept() as store:
        assert [chat.title for chat in store.chats.page()] == ["hello"]


def test_a_conversation_without_a_word_leaves_no_chat(talk: Talk) -> None:
    quit_(talk("--preset", "fox-teahouse"))
    with kept() as store:
        assert store.chats.page() == []


def test_kill_9_in_an_answer_keeps_the_question_and_nearly_all_words(talk: Talk) -> None:
    terminal = talk(script=("--answer", "word " * 200, "--token-delay", "0.05"))
    terminal.enter("count the words")
    while (shown := terminal.text.count("word")) < 40:  # two seconds, and more on a busy machine
        assert terminal.read()
    child = terminal.model_pid
    kill(terminal.pid)
    assert wait_until_gone(child)
    again = talk("--continue")
    again.wait_for("You: count the words\nAssistant: word word word")
    quit_(again)
    with kept() as store:
        question, answer = store.messages.path(1)
        assert (question.text, answer.status) == ("count the words", "failed")
        assert len(answer.text.split()) >= shown - 22  # a second's words, and one of the question
        assert store.check() == []


def test_a_newer_store_is_refused_with_a_clear_line(home: Path) -> None:
    with kept() as store, store.database.write() as db:
        db.execute("PRAGMA user_version = 999")
    for arguments in (("--continue", "hello"), ("--list-chats",)):
        done = chat(*arguments) if arguments[0] == "--continue" else listed()
        assert (done.code, done.out) == (1, "")
        assert "newer yuren" in done.err


# ---------------------------------------------------------------- presets and pictures


def test_a_preset_greets_first_and_speaks_under_its_name(talk: Talk) -> None:
    terminal = talk("--preset", "fox-teahouse", script=())
    screen = terminal.text
    assert "\nHu Jiu: " in screen
    assert "(1/2)" in screen
    terminal.enter("Good evening")
    terminal.wait_for("Hu Jiu: The capital of France is Paris.\nYou:")
    quit_(terminal)
    with kept() as store:
        greeting, question, answer = store.messages.path(1)
        assert (greeting.role, question.role) == (Role.ASSISTANT, Role.USER)
        assert (greeting.speaker, answer.speaker) == ("Hu Jiu", "Hu Jiu")


def test_a_card_is_a_preset_by_its_file(talk: Talk, tmp_path: Path) -> None:
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "Ana"}}
    card["data"] |= {"description": "Ana is five words long.", "first_mes": "Hi {{user}}!"}  # type: ignore[operator]
    (tmp_path / "ana.json").write_text(json.dumps(card))
    assert "\nAna: Hi Mei!\n" in talk("--preset", f"{tmp_path}/ana.json", "--user", "Mei").text
    with_it = json.loads(told(f"--preset {tmp_path}/ana.json", "Hello").out)["prompt_tokens"]
    assert with_it > 5 + (2 + 4) + (5 + 4)
    said = chat("--preset", str(tmp_path / "none.json"), "x")
    assert (said.code, said.out) == (1, "")
    assert "none.json" in said.err


def test_pictures_are_kept_with_their_message(talk: Talk, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    terminal = talk("--image", str(tmp_path / "cat.png"))
    terminal.enter("What is this")
    terminal.wait_for("Assistant: What is this")
    quit_(terminal)
    (tmp_path / "cat.png").unlink()
    answer = json.loads(told("--chat 1 --system Brief", "And now").out)
    assert answer["prompt_tokens"] == 5 + (3 + 4 + 18) + 7 + 6


# ---------------------------------------------------------------- list, export, import


def test_chats_are_listed_and_searched() -> None:
    assert listed() == Said(0, "", "")
    a_chat("Where is Paris?", "In France.", title="Cities")
    a_chat("我喜欢猫", "我也喜欢。")
    lines = listed().out.splitlines()
    assert [line.split()[0] for line in lines] == ["2", "1"]
    assert lines[1].endswith("  Cities")
    assert [line.split()[0] for line in listed("--list-chats", "paris").out.splitlines()] == ["1"]
    assert [line.split()[0] for line in listed("--list-chats", "猫").out.splitlines()] == ["2"]
    (found,) = map(json.loads, listed("--list-chats", "--json", "France").out.splitlines())
    assert (found["id"], found["title"], found["messages"]) == (1, "Cities", 2)


def test_a_chat_goes_out_and_comes_in_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = a_chat("Wo ist 巴黎?", "In Frankreich.")
    for name, extra in (
        ("a.md", ()),
        ("b.json", ()),
        ("c.json", ("--format", "training", "--chat", str(number))),
        ("d.txt", ("--format", "markdown", "--continue")),
    ):
        said = listed("--export", str(tmp_path / name), *extra)
        assert (said.code, said.out, said.err) == (0, f"{tmp_path / name}\n", "")
    assert "In Frankreich." in (tmp_path / "a.md").read_text()
    (row,) = json.loads((tmp_path / "c.json").read_text())
    assert [turn["value"] for turn in row["conversations"]] == ["Wo ist 巴黎?", "In Frankreich."]
    assert "In Frankreich." in (tmp_path / "d.txt").read_text()
    said = listed("--import", str(tmp_path / "b.json"))
    assert (said.code, said.out) == (0, "")
    assert "there already: 1" in said.err
    monkeypatch.setenv("YUREN_HOME", str(tmp_path / "other"))
    said = listed("--import", str(tmp_path / "b.json"))
    assert (said.code, said.out) == (0, "1\n")
    with kept() as store:
        assert [m.text for m in store.messages.path(1)] == ["Wo ist 巴黎?", "In Frankreich."]


def test_what_cannot_be_exported_or_taken_in_is_told(tmp_path: Path) -> None:
    said = listed("--export", str(tmp_path / "a.md"))
    assert (said.code, said.out) == (2, "")
    a_chat("Hello", "Hi")
    said = listed("--export", str(tmp_path / "a.docx"))
    assert said.code == 2
    assert said.err.startswith("Error: the suffix of a.docx says no format\n")
    assert listed("--export", str(tmp_path / "a.md"), "--chat", "9").code == 2
    (tmp_path / "no.json").write_text("[1, 2")
    said = listed("--import", str(tmp_path / "no.json"))
    assert (said.code, said.out) == (1, "")
    assert "no.json" in said.err
    assert listed("--import", str(tmp_path / "none.json")).code == 2


def test_chinese_throughout(talk: Talk, home: Path) -> None:
    terminal = talk("--preset", "诗人", LANG="zh_CN.UTF-8")
    terminal.enter("写一首诗")
    terminal.wait_for("写一首诗\n你：")
    terminal.enter("/title 春天的诗")
    terminal.wait_for("对话的标题：春天的诗")
    terminal.enter("/retry")
    terminal.wait_for("(2/2)")
    quit_(terminal)
    with kept() as store:
        assert store.chats.get(1).title == "春天的诗"
    assert "春天的诗" in listed("--list-chats", "--lang", "zh", "春天").out
