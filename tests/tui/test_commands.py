# SPDX-License-Identifier: Apache-2.0
"""Slash commands as values: what is one, what is offered while one is typed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from yuren_core.errors import UsageError
from yuren_core.i18n import LANGUAGES, catalogue, use_language
from yuren_tui.commands import COMMANDS, as_message, complete, help_text, is_unknown, parse
from yuren_tui.commands.completion import MAX_COMPLETIONS, Offer


class Names:
    """A context without a store."""

    def presets(self) -> Iterable[Offer]:
        return [("poet", "Poet"), ("fox-teahouse", "胡九"), ("interviewer", "Interviewer")]

    def chats(self) -> Iterable[Offer]:
        return [("12", "Paris in spring"), ("3", "猫")]

    def models(self) -> Iterable[Offer]:
        return [("owner/name", "name")]

    def settings(self) -> Iterable[Offer]:
        return [("temperature", "0.7"), ("top_p", "0.9"), ("seed", "")]


def offered(text: str) -> list[str]:
    """The lines that could come of a line."""
    return [
        text[: one.start] + one.value + text[one.end :]
        for one in complete(text, len(text), Names())
    ]


# ---------------------------------------------------------------- what is a command


@pytest.mark.parametrize(
    ("line", "name", "argument"),
    [
        ("/new", "new", ""),
        ("/NEW  ", "new", ""),
        ("／open 12", "open", "12"),
        ("/title  A title, with /slashes ", "title", "A title, with /slashes"),
        ("/system Be brief.\nAnswer in verse.", "system", "Be brief.\nAnswer in verse."),
        ("/edit\n  words", "edit", "words"),
    ],
)
def test_a_slash_and_letters_are_a_command(line: str, name: str, argument: str) -> None:
    command = parse(line)
    assert command is not None
    assert (command.name, command.argument) == (name, argument)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello /new",
        " /new",
        "/",
        "/etc/passwd is a file",
        "/1",
        "//new",
        "/new!",
        "／／help",
        "\n/new",
    ],
)
def test_all_else_is_a_message(line: str) -> None:
    assert parse(line) is None


def test_two_slashes_send_one() -> None:
    assert as_message("//new") == "/new"
    assert as_message("／／new") == "／new"
    assert as_message("/etc/passwd") == "/etc/passwd"
    assert as_message("a // b") == "a // b"


@pytest.mark.parametrize(
    ("line", "nearest"),
    [
        ("/swip", "/swipe"),
        ("/exprot md a", "/export"),
        ("/h", "/help"),
        ("/nwe", "/new"),
        ("/hepl", "/help"),
        ("/exit", "/quit"),
        ("/clear", "/new"),
    ],
)
def test_an_unknown_command_names_the_nearest(line: str, nearest: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line)
    assert line.split()[0] in caught.value.message
    assert nearest in caught.value.hint


@pytest.mark.parametrize("line", ["/xylophone", "/nonsense"])
def test_an_unknown_command_that_is_near_to_none_says_where_all_are(line: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line)
    assert "/help shows all" in caught.value.hint


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("/", False),
        ("/n", False),
        ("/new", False),
        ("/New", False),
        ("/system Be brief.", False),
        ("/no", True),
        ("／nonsense", True),
        ("/n x", True),
        ("/etc/passwd", False),
        ("//no", False),
        ("no", False),
    ],
)
def test_what_cannot_become_a_command_is_known_while_it_is_typed(line: str, unknown: bool) -> None:
    assert is_unknown(line) is unknown


@pytest.mark.parametrize(("line", "usage"), [("/new x", "/new"), ("/open", "/open N")])
def test_an_argument_too_many_or_too_few_is_told_with_the_usage(line: str, usage: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line)
    assert caught.value.hint == f"Type: {usage}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_has_its_words_and_nothing_else_has(language: str) -> None:
    use_language(language)
    text = help_text("Keys.")
    assert text.endswith("\nKeys.")
    names = {spec.name for spec in COMMANDS}
    assert all(spec.usage in text and spec.about in text for spec in COMMANDS)
    for table in ("commands.usage.", "commands.about."):
        keys = {key.removeprefix(table) for key in catalogue(language) if key.startswith(table)}
        assert keys == names


# ---------------------------------------------------------------- completion


def test_names_are_offered_while_the_name_is_typed() -> None:
    assert offered("/se") == ["/set "]
    assert offered("/E") == ["/edit ", "/export "]
    assert offered("/undo") == ["/undo"]
    assert len(offered("/")) == len(COMMANDS)


@pytest.mark.parametrize(
    "text", ["", "hello", "//se", "/xyz a", "/new ", "/etc/pa", "a\n/se", "/se\n"]
)
def test_nothing_is_offered_for_a_message(text: str) -> None:
    assert offered(text) == []


def test_arguments_are_offered_by_what_they_are() -> None:
    assert offered("/preset in") == ["/preset interviewer"]
    assert offered("/preset 胡") == ["/preset fox-teahouse"]
    assert offered("/open par") == ["/open 12"]
    assert offered("/open ") == ["/open 12", "/open 3"]
    assert offered("/swipe ") == ["/swipe +", "/swipe -"]
    assert offered("/model ow") == ["/model owner/name"]
    assert offered("/set t") == ["/set temperature ", "/set top_p "]
    assert offered("/set top_p ") == ["/set top_p 0.9", "/set top_p default"]
    assert offered("/set top_p d") == ["/set top_p default"]
    assert offered("/export tr") == ["/export training "]


def test_only_what_is_left_of_the_cursor_counts() -> None:
    text = "/preset po and more"
    (one,) = complete(text, len("/preset po"), Names())
    assert text[: one.start] + one.value + text[one.end :] == "/preset poet and more"


def test_paths_are_offered_directories_with_a_slash_and_pictures_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a folder").mkdir()
    for name in ("a cat.PNG", "a note.txt", ".hidden.png"):
        (tmp_path / name).touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert offered("/image a") == ["/image a cat.PNG", "/image a folder/"]
    assert offered("/image ~/a c") == ["/image ~/a cat.PNG"]
    assert offered("/image .h") == ["/image .hidden.png"]
    assert offered("/import a n") == ["/import a note.txt"]
    assert offered("/export json a n") == ["/export json a note.txt"]
    assert offered(f"/image {tmp_path}/a f") == [f"/image {tmp_path}/a folder/"]
    assert offered("/image nowhere/x") == []
    assert offered("/image \0") == []


def test_a_directory_of_thousands_is_cut(tmp_path: Path) -> None:
    for number in range(MAX_COMPLETIONS + 20):
        (tmp_path / f"{number}.png").touch()
    assert len(offered(f"/image {tmp_path}/")) == MAX_COMPLETIONS
