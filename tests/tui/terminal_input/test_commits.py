# SPDX-License-Identifier: Apache-2.0
"""What input methods commit arrives whole, through the real parser, in the real prompt."""

from __future__ import annotations

import codecs
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pexpect
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from textual import events
from textual._xterm_parser import XTermParser

from tests.tui.chat_app import Driven, running
from yuren_tui.terminal import commits
from yuren_tui.terminal.commits import install, reads_commits
from yuren_tui.terminal.input_filter import LONGEST, InputFilter

TEXT = "床前明月光，疑是地上霜。举头望明月，低头思故乡。春眠不觉晓，"
assert len(TEXT) == 30
EMOJI = "👍🏽𠮷é"


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    """The filter before every parser, as the chat has it."""
    feed, tick = XTermParser.feed, XTermParser.tick
    assert install() is not None
    yield
    parser: Any = XTermParser
    parser.feed, parser.tick = feed, tick
    if hasattr(parser, "_yuren_questions"):
        del parser._yuren_questions


def kitty(text: str, key: int = 0, modifiers: str = "") -> bytes:
    """A commit as kitty's protocol reports it: `CSI key ; modifiers ; text u`."""
    return f"\x1b[{key};{modifiers};{':'.join(str(ord(char)) for char in text)}u".encode()


def parsed(*reads: bytes) -> list[Any]:
    """What the parser makes of several reads, decoded as Textual's driver does."""
    parser, decode = XTermParser(), codecs.getincrementaldecoder("utf-8")().decode
    found: list[Any] = []
    for read in reads:
        if text := decode(read):
            found += parser.feed(text)
        found += parser.tick()
    return found


def typed(messages: Iterable[Any]) -> str:
    return "".join(message.character or f"<{message.key}>" for message in messages)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize(
    ("reads", "keys"),
    [
        (["\x1b你好"], ["escape", "你", "好"]),
        (["\x1b", "你好"], ["escape", "你", "好"]),
        (["字\x1b", "。"], ["字", "escape", "。"]),
        (["\x1b", "\x1b[A"], ["escape", "up"]),
    ],
)
def test_esc_and_a_character_at_once_are_both(reads: list[str], keys: list[str]) -> None:
    found = parsed(*(read.encode() for read in reads))
    assert [one.character if one.is_printable else one.key for one in found] == keys


def test_a_character_long_after_esc_is_that_character() -> None:
    parser = XTermParser()
    assert not [*parser.feed("\x1b")]
    deadline = time.monotonic() + 30
    while not (found := [*parser.tick()]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    found += parser.feed("你")
    assert [one.key for one in found][:1] == ["escape"]
    assert [one.character for one in found][1:] == ["你"]


async def into_prompt(chat: Driven, *reads: bytes) -> None:
    assert chat.app._driver is not None
    for message in parsed(*reads):
        chat.app._driver.process_message(message)
    await chat.pilot.pause()


@pytest.mark.parametrize("size", [1000, 40, 7, 2, 1])
@pytest.mark.parametrize(
    "data",
    [TEXT.encode(), kitty(TEXT), kitty(TEXT, key=13), kitty(TEXT, key=32, modifiers="65")],
    ids=["utf8", "kitty", "kitty-enter", "kitty-space-caps"],
)
def test_a_commit_of_thirty_characters_is_thirty_characters(data: bytes, size: int) -> None:
    assert typed(parsed(*pieces(data, size))) == TEXT


@pytest.mark.parametrize("data", [TEXT.encode(), kitty(TEXT)], ids=["utf8", "kitty"])
async def test_the_prompt_receives_the_whole_commit(tmp_path: Path, data: bytes) -> None:
    async with running(tmp_path / "log") as chat:
        await into_prompt(chat, *pieces(data, 50))
        await chat.until(lambda: chat.chat.prompt.text == TEXT)
        assert chat.questions == []


async def test_a_commit_by_enter_does_not_send(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await into_prompt(chat, kitty("好", key=13), kitty(TEXT, key=13))
        await chat.until(lambda: chat.chat.prompt.text == f"好{TEXT}")
        assert chat.questions == []
        await into_prompt(chat, b"\x1b[13u")
        await chat.until(lambda: chat.questions == [f"好{TEXT}"])


APP = """
import sys
from pathlib import Path
from textual.app import App
from textual.widgets import TextArea
from yuren_tui.terminal.commits import install
class Chat(App):
    def compose(self):
        yield TextArea()
    def on_mount(self):
        self.query_one(TextArea).focus()
        self.notify("READY")
    def on_text_area_changed(self, event):
        Path(sys.argv[1]).write_text(event.text_area.text, encoding="utf-8")
install()
Chat().run()
"""


def test_a_commit_in_a_terminal_of_its_own(tmp_path: Path) -> None:
    """Through the driver's own thread and decoder, in several writes."""
    written = tmp_path / "text"
    child = pexpect.spawn(
        sys.executable,
        ["-c", APP, str(written)],
        env={**os.environ, "TERM": "xterm-256color"},
        dimensions=(24, 80),
        timeout=60,
    )
    try:
        child.expect("READY")
        for piece in [*pieces(kitty(TEXT), 64), *pieces(TEXT.encode(), 10)]:
            child.send(piece)
            time.sleep(0.01)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with suppress(pexpect.TIMEOUT):
                child.read_nonblocking(65536, timeout=0.05)
            if written.exists() and written.read_text(encoding="utf-8") == TEXT * 2:
                break
        assert written.read_text(encoding="utf-8") == TEXT * 2
    finally:
        child.close(force=True)


def test_the_parser_alone_loses_long_commits() -> None:
    """Where this fails, Textual has mended it, and the filter can go."""
    code = (
        "from textual._xterm_parser import XTermParser as P;"
        "from yuren_tui.terminal.commits import reads_commits; print(reads_commits(P))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


WORDS = st.text(st.characters(codec="utf-8", min_codepoint=0x20), min_size=1, max_size=60)


@given(WORDS, st.data())
def test_any_text_arrives_however_it_is_cut(text: str, data: st.DataObject) -> None:
    raw = kitty(text).decode()
    cut = data.draw(st.integers(0, len(raw)))
    stream = InputFilter()
    passed = stream.feed(raw[:cut]) + stream.feed(raw[cut:]) + stream.flush()
    assert all(len(piece) + 1 <= LONGEST for piece in passed.split("\x1b")[1:])
    points = [p for s in passed.split("\x1b[0;;")[1:] for p in s.removesuffix("u").split(":")]
    assert "".join(chr(int(point)) for point in points) == text


@given(st.lists(st.text(st.sampled_from("\x1b[?;:0123u<MmA~好a"), max_size=12), max_size=6))
def test_other_sequences_pass_as_they_are(reads: list[str]) -> None:
    stream = InputFilter()
    whole = "".join(reads)
    assume("\x1b[200~" not in whole)
    passed = "".join([*(stream.feed(read) for read in reads), stream.flush()])
    if ";" not in whole:
        assert passed == re.sub("\x1b(?=好)", "\x1b[27u", whole)
    assert len(passed) <= len(whole) * 8


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"\x1b[A\x1b[1;5A", ["up", "ctrl+up"]),
        (b"\x1b[13u\x1b[13;2u", ["enter", "shift+enter"]),
        (b"\x1b[97;;97u\x1b[97;2;65u", ["a", "A"]),
        (b"\x1b[99;5u", ["ctrl+c"]),
        (b"\x1b[32;;32u", ["space"]),
    ],
)
def test_keys_are_the_keys_they_were(data: bytes, keys: list[str]) -> None:
    assert [event.key for event in parsed(data)] == keys
    assert [event.key for event in parsed(*pieces(data, 1))] == keys


def test_paste_and_mouse_are_not_touched() -> None:
    paste, mouse = parsed(b"\x1b[200~" + TEXT.encode() + b"\x1b[201~", b"\x1b[<0;3;4M")
    assert isinstance(paste, events.Paste)
    assert paste.text == TEXT
    assert isinstance(mouse, events.MouseDown)


HOSTILE = (
    "\x1b[31mred\x1b[0m \x1b\x1b[A \x1b[200~ \x1b[<0;3;4M \x1b]0;title\x07 \x1b[0;;20320:22909u "
    f"\x1b好\r\x1b[{'1;' * 40}m \x1b[?62c \x1b[3;5R \x1b"
)


@pytest.mark.parametrize("size", [1000, 7, 1])
def test_a_paste_is_one_text_whatever_is_in_it(size: int) -> None:
    data = f"a\x1b[200~{HOSTILE}\x1b[201~\x1b[Ab".encode()
    first, paste, up, last = parsed(*pieces(data, size))
    assert [first.key, up.key, last.key] == ["a", "up", "b"]
    assert isinstance(paste, events.Paste)
    assert paste.text == HOSTILE.replace("\x1b", "␛")


def test_a_paste_that_stops_within_its_end_goes_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "_HELD_LONGEST_S", 0.0)
    parser = XTermParser()
    assert not [*parser.feed("\x1b[200~one\x1b[20")]
    time.sleep(0.12)
    assert not [*parser.tick()]
    paste, key = parser.feed("1~x")
    assert isinstance(paste, events.Paste)
    assert isinstance(key, events.Key)
    assert (paste.text, key.key) == ("one", "x")


@given(st.lists(st.text(st.sampled_from("\x1b[?;:0123u~好a"), max_size=9), max_size=6))
def test_any_paste_is_text_however_it_is_cut(reads: list[str]) -> None:
    text = "".join(reads)
    assume("\x1b[201~" not in text)
    stream = InputFilter()
    passed = "".join(map(stream.feed, ("\x1b[20", "0~", *reads, "\x1b[", "201~x")))
    assert passed == "\x1b[200~" + text.replace("\x1b", "␛") + "\x1b[201~x"


async def test_a_long_paste_with_escape_sequences_stands_in_the_prompt(tmp_path: Path) -> None:
    text = "\x1b[31mred\x1b[0m line\n" * 2500
    async with running(tmp_path / "log") as chat:
        await into_prompt(chat, *pieces(f"\x1b[200~{text}\x1b[201~".encode(), 4096))
        await chat.until(lambda: chat.chat.prompt.text)
        assert chat.chat.prompt.text == text.replace("\x1b", "␛")
        assert chat.questions == []


@pytest.mark.parametrize("points", ["1114112", "55296", "9" * 5000, ":", "20320:1114112:22909"])
def test_what_is_no_character_does_no_harm(points: str) -> None:
    assert typed(parsed(f"\x1b[0;;{points}u".encode())) in ("", "你好")


def test_escape_alone_is_still_escape() -> None:
    parser = XTermParser()
    found = list(parser.feed("\x1b"))
    time.sleep(0.12)
    assert [event.key for event in [*found, *parser.tick()] if isinstance(event, events.Key)] == [
        "escape"
    ]


def test_a_sequence_without_an_end_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "_HELD_LONGEST_S", 0.0)
    parser = XTermParser()
    assert list(parser.feed("\x1b[0;;20320:2")) == []
    list(parser.tick())
    time.sleep(0.12)
    found = typed(parser.tick())
    assert found
    assert typed(parser.feed("x")) == "x"


def test_a_long_commit_is_read_fast() -> None:
    start = time.perf_counter()
    assert typed(parsed(kitty(TEXT * 100))) == TEXT * 100
    assert time.perf_counter() - start < 30


def test_a_parser_that_is_built_otherwise_is_left_as_it_is() -> None:
    parser: Any = XTermParser
    feed = parser.feed
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parser, "_yuren_questions", None)
        patched.setattr(commits, "reads_commits", lambda _: False)
        assert install() is None
        assert parser.feed is feed


def test_installing_twice_wraps_once() -> None:
    assert install() is install()
    assert reads_commits(XTermParser)


def test_emoji_and_rare_characters_arrive() -> None:
    assert typed(parsed(*pieces(kitty(EMOJI), 9))) == EMOJI
