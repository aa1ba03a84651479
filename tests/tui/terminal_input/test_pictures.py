# SPDX-License-Identifier: Apache-2.0
"""The large view: which way of drawing is taken, that it is drawn, and that nothing hangs."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pexpect
import pytest
from PIL import Image
from textual.app import App

from tests.tui.chat_app import running
from yuren_tui.screens.picture import PictureScreen
from yuren_tui.terminal.graphics import USUAL_CELL, Graphics, find_graphics, known_protocol
from yuren_tui.terminal.input_filter import InputFilter
from yuren_tui.terminal.questions import Questions
from yuren_tui.widgets.large_picture import LargePicture, cells_for
from yuren_tui.widgets.picture import ThumbnailView


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "猫.png"
    Image.linear_gradient("L").convert("RGB").resize((300, 200)).save(path)
    return path


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "foot-extra"}, "sixel"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "sixel"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "sixel"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, "halfblock"),
        ({"TERM": "linux"}, "halfblock"),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1", "TMUX": "x"}, None),
        ({"TERM": "screen-256color", "STY": "x", "KITTY_WINDOW_ID": "1"}, None),
    ],
)
def test_what_the_environment_tells(environment: dict[str, str], protocol: str | None) -> None:
    assert known_protocol(environment) == protocol


def answering(questions: Questions, *replies: str) -> Callable[[str], None]:
    """A terminal that answers, through the filter that stands before the parser."""
    stream = InputFilter(questions.take, questions.is_waiting)

    def write(asked: str) -> None:
        assert asked.endswith("\x1b[c")
        passed = [stream.feed(char) for reply in replies for char in reply]
        assert "".join(passed) == ""

    return write


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (("\x1b[6;18;9t", "\x1b[?62;4;22c"), Graphics("sixel", (9, 18))),
        (("\x1b[?1;2c",), Graphics("halfblock", USUAL_CELL)),
        (("\x1b[?64;14;24c",), Graphics("halfblock", USUAL_CELL)),
        ((), Graphics("halfblock", USUAL_CELL)),
    ],
)
async def test_a_terminal_is_asked_and_may_say_nothing(
    replies: tuple[str, ...], expected: Graphics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yuren_tui.terminal.graphics._cell_of_system", lambda: None)
    questions = Questions()
    found = await find_graphics(
        "auto",
        environment={"TERM": "xterm-256color"},
        questions=questions,
        write=answering(questions, *replies),
    )
    assert found == expected


async def test_a_late_answer_is_not_typed() -> None:
    questions = Questions()
    assert await questions.ask(lambda _: None, "", timeout_s=0.01) == ()
    stream = InputFilter(questions.take, questions.is_waiting)
    assert stream.feed("a\x1b[?62;4cb") == "ab"


async def test_what_the_person_set_is_taken_without_asking() -> None:
    def write(_: str) -> None:
        raise AssertionError("asked")

    for images in ("off", "halfblock"):
        found = await find_graphics(images, environment={}, questions=Questions(), write=write)
        assert found.protocol == images
    found = await find_graphics("kitty", environment={}, questions=None, write=write)
    assert found == Graphics("kitty", USUAL_CELL)


@pytest.mark.parametrize(
    ("size", "protocol", "zoom", "cells"),
    [
        ((300, 200), "halfblock", "fit", (60, 20)),
        ((300, 200), "halfblock", "actual", (300, 100)),
        ((300, 200), "sixel", "actual", (30, 10)),
        ((3000, 200), "kitty", "fit", (78, 3)),
        ((10, 4000), "sixel", "fit", (1, 20)),
        ((20000, 10), "halfblock", "actual", (400, 1)),
    ],
)
def test_how_many_cells(
    size: tuple[int, int], protocol: str, zoom: str, cells: tuple[int, int]
) -> None:
    assert cells_for(size, Graphics(protocol), zoom, (78, 20)) == cells  # type: ignore[arg-type]


async def test_half_blocks_zoom_and_close(tmp_path: Path, picture: Path) -> None:
    async with running(tmp_path / "log") as chat:
        screen = PictureScreen(picture, environment={"TERM": "linux"})
        chat.app.push_screen(screen)
        await chat.until(lambda: screen.query(ThumbnailView) and "▀" in chat.screen_text())
        await chat.until(lambda: "300 × 200  ·  PNG" in chat.screen_text())
        for words in ("猫.png", "half blocks", "fits the window"):
            assert words in chat.screen_text()
        large = screen.query_one(LargePicture)
        assert large.max_scroll_x == 0
        await chat.pilot.press("z")
        await chat.until(lambda: large.max_scroll_x > 100)
        await chat.pilot.press("right", "right", "j")
        await chat.until(lambda: large.scroll_x > 0 and large.scroll_y > 0)
        await chat.pilot.resize_terminal(60, 20)
        await chat.pilot.press("z")
        await chat.until(lambda: large.max_scroll_x == 0)
        await chat.pilot.press("escape")
        await chat.until(lambda: chat.app.screen is chat.chat)


async def test_off_shows_what_is_known_only(tmp_path: Path, picture: Path) -> None:
    async with running(tmp_path / "log") as chat:
        chat.app.push_screen(PictureScreen(picture, images="off"))
        await chat.until(lambda: "pictures are off" in chat.screen_text())
        assert "▀" not in chat.screen_text()


async def test_what_is_no_picture_is_said(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("no", encoding="utf-8")
    async with running(tmp_path / "log") as chat:
        chat.app.push_screen(PictureScreen(tmp_path / "bad.png", images="halfblock"))
        await chat.until(lambda: "Choose a picture" in chat.screen_text())
        await chat.pilot.press("escape")


@pytest.mark.parametrize("images", ["kitty", "sixel"])
async def test_pixels_are_written_through_textual(
    tmp_path: Path, picture: Path, images: str
) -> None:
    written: list[str] = []
    async with running(tmp_path / "log") as chat:
        screen = PictureScreen(picture, images=images, write=written.append)  # type: ignore[arg-type]
        chat.app.push_screen(screen)
        await chat.until(lambda: bool(screen.query("TGPImage, Image")))
        await chat.until(lambda: images == "sixel" or "a=p" in "".join(written))
        if images == "kitty":
            sent = "".join(written)
            assert re.match(r"\x1b_Gi=\d+,m=\d,f=100", sent)
            assert "U=1" in sent
        await chat.pilot.press("escape")
        await chat.until(lambda: chat.app.screen is chat.chat)
    if images == "kitty":
        assert "a=d" in "".join(written)


APP = """
import sys
from textual.app import App
from textual.widgets import TextArea
from yuren_tui.terminal.commits import install
from yuren_tui.screens.picture import PictureScreen
class Chat(App):
    def compose(self):
        yield TextArea()
    def on_mount(self):
        self.set_timer(0.1, self.look)
    def look(self):
        self.push_screen(PictureScreen(sys.argv[1], questions=questions), lambda _: self.show())
    def show(self):
        self.notify("TEXT=" + repr(self.query_one(TextArea).text))
questions = install()
Chat().run()
"""


def wait_for_all(child: pexpect.spawn, *patterns: str) -> None:
    """Wait until all have been written, in whatever order."""
    output, end = "", time.monotonic() + 60
    while not all(re.search(pattern, output) for pattern in patterns):
        assert time.monotonic() < end, output[-2000:]
        with suppress(pexpect.TIMEOUT):
            output += child.read_nonblocking(65536, timeout=0.1)


@pytest.mark.parametrize(
    ("environment", "answer", "drawn"),
    [
        ({"TERM": "xterm-kitty"}, "", r"\x1b_Gi=\d+,m="),
        ({"TERM": "foot"}, "", r"\x1bP[\d;]*q"),
        ({"TERM": "xterm-256color"}, "\x1b[6;18;9t\x1b[?62;4;22c", r"\x1bP[\d;]*q"),
        ({"TERM": "xterm-256color"}, "", "▀"),
    ],
    ids=["kitty", "foot", "asked", "silent"],
)
def test_in_a_terminal(picture: Path, environment: dict[str, str], answer: str, drawn: str) -> None:
    quiet = {key: value for key, value in os.environ.items() if "TERM" not in key and key != "TMUX"}
    child = pexpect.spawn(
        sys.executable,
        ["-c", APP, str(picture)],
        env={**quiet, "COLORTERM": "truecolor", **environment},
        encoding="utf-8",
        dimensions=(24, 80),
        timeout=60,
    )
    try:
        if answer:
            child.expect(re.escape("\x1b[c"))
            child.send(answer)
        wait_for_all(child, drawn, "300 × 200")
        child.send("\x1b[27u")
        child.expect("TEXT=''")
    finally:
        child.close(force=True)


async def test_importing_asks_nothing_and_leaves_stdout() -> None:
    from yuren_tui.widgets.pixel_picture import pixel_picture

    before = sys.__stdout__

    class Small(App[None]):
        pass

    async with Small().run_test():
        widget = pixel_picture(
            Image.new("RGB", (20, 40)), protocol="sixel", cell=(7, 15), write=lambda _: None
        )
        assert type(widget).__module__ == "textual_image.widget.sixel"
    from textual_image._terminal import get_cell_size

    assert get_cell_size() == (7, 15)
    assert sys.__stdout__ is before
