# SPDX-License-Identifier: Apache-2.0
"""Slash commands in a conversation in lines, in a real terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.tui.terminal import Terminal
from yuren_tui.store import Store


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A conversation whose answers are their questions."""
    talking = Terminal("--plain", "--system", "Be brief.", script=("--echo",), size=(50, 200))
    talking.wait_for("You:")
    yield talking
    talking.close()


def typed(terminal: Terminal, line: str, *awaited: str) -> None:
    """Type a line; wait for what comes of it, and for the next prompt."""
    terminal.enter(line)
    terminal.wait_for(*awaited)
    end = f"{awaited[-1]}\nYou:"
    terminal.wait_for(end if not awaited[-1].endswith("You:") else awaited[-1])


def test_answers_have_branches_with_a_counter(terminal: Terminal) -> None:
    typed(terminal, "one two", "Assistant: one two")
    typed(terminal, "/retry", "Assistant: one two\n(2/2)")
    typed(terminal, "/swipe -", "You: /swipe -\nAssistant: one two\n(1/2)")
    typed(terminal, "/swipe -", "(1/2)\nYou: /swipe -\nAssistant: one two\n(1/2)")  # the end holds
    typed(terminal, "/edit three", "You: /edit three\nAssistant: three\n(2/2)")
    typed(terminal, "/swipe #1 -", "You: /swipe #1 -\nYou: one two\n(1/2)")
    typed(terminal, "/show", "#1 You (1/2)\none two\n\n#2 Assistant (2/2)\none two")
    with Store.open() as store:
        assert len(store.messages.tree(1)) == 5


def test_a_message_is_changed_at_the_prompt(terminal: Terminal) -> None:
    typed(terminal, "Tell me", "Assistant: Tell me")
    terminal.enter("/edit")
    terminal.wait_for("You: Tell me\nAssistant: Tell me\nYou: /edit", "\nYou: Tell me")
    typed(terminal, " more", "You: Tell me more\nAssistant: Tell me more\n(2/2)")
    terminal.enter("/edit #2")
    terminal.wait_for("You: /edit #2", "\nYou: Tell me more")
    typed(terminal, "!", "Assistant: Tell me more!\n(2/2)")  # an answer is not asked anew
    with Store.open() as store:
        assert [m.text for m in store.messages.path(1)] == ["Tell me more", "Tell me more!"]


def test_a_stopped_answer_is_written_on() -> None:
    terminal = Terminal("--plain", script=("--answer", "word " * 200, "--token-delay", "0.05"))
    terminal.wait_for("You:")
    terminal.enter("count")
    terminal.wait_for("word word")
    terminal.type("\x03")
    terminal.wait_for("(stopped)\nYou:")
    terminal.enter("/resume")
    terminal.wait_for("You: /resume\nAssistant: word word")
    terminal.type("\x03")
    terminal.wait_for("(stopped)\n(2/2)\nYou:")
    terminal.enter("/quit")
    assert terminal.end() == 0
    terminal.close()
    with Store.open() as store:
        question = store.messages.tree(1)[0]
        first, second = (store.messages.get(n) for n in store.messages.siblings(question.id + 1))
    assert second.text.startswith(first.text)
    assert len(second.text) > len(first.text)


def test_deleting_is_undone_and_chats_are_found_again(terminal: Terminal) -> None:
    typed(terminal, "/delete", "Error: nothing has been said yet")
    typed(terminal, "/undo", "Error: there is nothing to undo")
    typed(terminal, "apples", "Assistant: apples")
    typed(terminal, "pears", "Assistant: pears")
    typed(terminal, "/delete #3", "2 messages were deleted; /undo brings them back.", "apples")
    typed(terminal, "/undo", "It is back.\nAssistant: pears")
    typed(terminal, "/title Fruit", "The chat is called: Fruit")
    typed(terminal, "/delete", "The chat was deleted; /undo brings it back.")
    typed(terminal, "/open 1", "Error: there is no chat 1", "You:")
    typed(terminal, "/undo", "It is back.\nChat 1: Fruit\nYou: apples", "Assistant: pears")
    typed(terminal, "/archive", "The chat was put away; /undo takes it out again.")
    typed(terminal, "cherries", "Assistant: cherries")
    typed(terminal, "/chats", "  cherries\n/open and the number opens one.")
    assert "  Fruit\n" not in terminal.text
    terminal.enter("/undo")
    terminal.wait_for("number opens one.\nYou: /undo\nIt is back.\nChat 1: Fruit\nYou: apples")
    typed(terminal, "/chats pears", "  Fruit\n/open and the number opens one.")
    typed(terminal, "/open 2", "Chat 2: cherries\nYou: cherries\nAssistant: cherries")


def test_the_context_is_counted_and_turns_are_pinned(terminal: Terminal) -> None:
    typed(terminal, "one two", "Assistant: one two")
    typed(terminal, "/count", "6  system prompt", "12  history", "18 of 2048 tokens are used.")
    typed(terminal, "/pin #1", "Message #1 stays in the context.")
    typed(terminal, "/pin #1", "Message #1 may leave the context again.")
    typed(terminal, "/pin #7", "Error: there is no message #7", "You:")


def test_settings_system_prompt_and_preset_change_in_the_chat(
    terminal: Terminal, tmp_path: Path
) -> None:
    typed(terminal, "/set top-k 7", "top_k = 7")
    typed(terminal, "/set top_k x", "Error: top_k cannot be x", "You:")
    typed(terminal, "/set colour red", "Error: there is no setting colour", "You:")
    typed(terminal, "/set user Mei", "user = Mei")
    typed(terminal, "/set", "temperature = 0.2  (the default)", "top_k = 7\n", "user = Mei", "You:")
    typed(terminal, "/system", "Be brief.")
    typed(terminal, "/system You are a duck.", "The system prompt is set.")
    typed(terminal, "one", "Assistant: one")
    typed(terminal, "/count", "8  system prompt", "You:")
    with Store.open() as store:
        sampling = store.chats.get(1).sampling
        assert sampling is not None
        assert sampling.top_k == 7
    typed(terminal, "/preset nobody", "Error: there is no preset nobody", "You:")
    typed(terminal, "/preset", "poet: ", "/preset and the first word chooses one.")
    typed(terminal, "/preset poet", "From here on, the model is Poet.")
    typed(terminal, "/set top_k", "top_k = 7", "You:")
    typed(terminal, "/set temperature 0", "temperature = 0.0", "You:")
    typed(terminal, "/set temperature default", "temperature = 0.95  (the preset's)", "You:")
    typed(terminal, "/set top_k", "top_k = 7", "You:")
    typed(terminal, "/set user 默认", "user =", "You:")
    typed(terminal, "/set user Mei", "user = Mei", "You:")
    typed(terminal, "/new", "A new conversation begins.\nAssistant: Name me a thing", "(1/2)")
    typed(terminal, "/preset fox-teahouse", "A new conversation with", "Hu Jiu: ", "(1/2)")
    (tmp_path / "ana.toml").write_text('name = "Ana"\ngreeting = "So, {{user}}:"\n')
    typed(terminal, f"/preset {tmp_path}/ana.toml", "A new conversation with Ana", "So, Mei:")
    (tmp_path / "bob.toml").write_text('name = "Bob"\ngreeting = "Hi, {{usr}}!"\n')
    typed(terminal, f"/preset {tmp_path}/bob.toml", "{{usr}} stays as it is", "Hi, {{usr}}!")
    with Store.open() as store:
        assert (store.chats.preset(1) or {})["id"] == "poet"


def test_another_model_is_loaded_and_remembered(terminal: Terminal) -> None:
    typed(terminal, "/model owner/other", "Loading the model", "scripted · cpu · bf16")
    typed(terminal, "/model", "* owner/other", "  any", "You:")


def test_files_go_out_and_come_in(terminal: Terminal, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a cat.png")
    typed(terminal, f"/image {tmp_path}/a cat.png", "goes with the next message.")
    typed(terminal, "What is it?", "Assistant: What is it?")
    typed(terminal, f"/export {tmp_path}/out.md", "Written: ", "out.md")
    typed(terminal, f"/export json {tmp_path}/out.backup", "out.backup\nYou:")
    typed(
        *(terminal, f"/export markdown {tmp_path}/out.backup", "out (2).backup"),
        "out.backup was there already and stays as it was.",
    )
    typed(terminal, f"/export {tmp_path}/out.xyz", "Error: the suffix", "You:")
    typed(terminal, f"/import {tmp_path}/out.backup", "Chats taken in: 0; there already: 1.")
    assert "What is it?" in (tmp_path / "out.md").read_text()
    assert len(list((tmp_path / "out.pictures").iterdir())) == 1


def test_tab_completes(terminal: Terminal) -> None:
    terminal.type("/pres\t")
    terminal.wait_for("You: /preset")
    terminal.type("pictu\t")
    terminal.wait_for("You: /preset picture-describer")


def test_the_arrow_key_goes_back_to_an_earlier_conversation(terminal: Terminal) -> None:
    typed(terminal, "remember this", "Assistant: remember this")
    terminal.enter("/quit")
    assert terminal.end() == 0
    again = Terminal("--plain", script=("--echo",))
    again.wait_for("You:")
    again.type("\x1b[A")
    again.wait_for("You: remember this")
    again.close()


def test_copying_says_truly_what_is_known(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(terminal, "/copy", "Error: there is no message that this could be about")
    typed(terminal, "one two", "Assistant: one two")
    typed(terminal, "/copy code", "Error: there is no code in the message")
    terminal.enter("/copy")
    terminal.wait_for("You: /copy")
    terminal.wait_for("7")
    assert "\x1b]52;" in terminal.output


def test_json_keeps_stdout_for_answers(tmp_path: Path) -> None:
    terminal = Terminal(
        *("--json", "--preset", "fox-teahouse"), script=("--echo",), stdout=tmp_path / "out.jsonl"
    )
    terminal.wait_for("Hu Jiu: ", "You:")
    for line in ("/show", "/help", "/chats"):
        terminal.enter(line)
    terminal.wait_for("/open and the number opens one.")
    terminal.enter("/quit")
    assert terminal.end() == 0
    terminal.close()
    assert (tmp_path / "out.jsonl").read_text() == ""
