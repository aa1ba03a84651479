# SPDX-License-Identifier: Apache-2.0
"""Walks through the whole chat: a pseudo terminal, keys as a terminal sends them, a real model.

A walk has a home of its own, and the real model process: the starter by default, else any model
directory. Nothing in it is scripted.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest

from tests.tui.terminal import Terminal
from yuren_core.messages import Role
from yuren_core.starter import is_installed, starter_dir
from yuren_tui.store import Chat, Store, StoredMessage
from yuren_tui.store.values import Json

ESC, TAB, ENTER, BACKSPACE = "\x1b", "\t", "\r", "\x7f"
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
ALT_UP, ALT_O = "\x1b[1;3A", "\x1bo"
F2, F3, F4, F6 = "\x1bOQ", "\x1bOR", "\x1bOS", "\x1b[17~"
F8, F9, F10, F12 = "\x1b[19~", "\x1b[20~", "\x1b[21~", "\x1b[24~"

REAL_WORKER = shlex.join((sys.executable, "-m", "yuren_core.inference.worker"))
SHORT = ("--max-new-tokens", "16", "--seed", "1", "--temperature", "0")
"""Options for answers that are soon there, and the same each time."""

_BARE = str.maketrans("", "", " \n│▌▎▏█┃")


def ctrl(letter: str) -> str:
    """What a terminal sends for Ctrl and a letter."""
    return chr(ord(letter.upper()) - 64)


def starter() -> Path:
    """The starter's directory; the test is skipped where it is not installed."""
    if not is_installed():
        pytest.skip("the starter is not installed: yuren-chat --install-starter")
    return starter_dir()


class Walk(Terminal):
    """`yuren-chat` with a real model.

    Args:
        home: the `YUREN_HOME`.
        arguments: of the command line; they go after `SHORT`.
        model: a model directory.
        size: rows and columns.
        env: variables on top of this process's own.
    """

    def __init__(
        self,
        home: Path,
        *arguments: str,
        model: Path,
        size: tuple[int, int] = (40, 120),
        env: dict[str, str] | None = None,
    ) -> None:
        self.home = home
        self._shown: list[str] = []
        variables = {"YUREN_HOME": str(home), "YUREN_WORKER": REAL_WORKER, **(env or {})}
        command = ("--model", str(model), *SHORT, *arguments)
        super().__init__(*command, size=size, env=variables)

    @property
    def text(self) -> str:
        """What stands on the screen, a wide character half overwritten as a blank."""
        rows = (self._screen.buffer[y] for y in range(self._screen.lines))
        columns = range(self._screen.columns)
        return "\n".join(_line([row[x].data for x in columns]) for row in rows)

    @property
    def screen(self) -> pyte.Screen:
        """The cells of the screen."""
        return self._screen

    def read(self, seconds: float = 0.05) -> bool:
        """Take in what comes, and remember what stood on the screen: notices soon go."""
        is_open = super().read(seconds)
        self._shown.append(_bare(self.text))
        return is_open

    def type(self, keys: str) -> None:
        """Press keys; what was on the screen before is of the past."""
        self._shown = []
        super().type(keys)

    def press(self, *keys: str) -> None:
        """Press keys one after the other, each after the screen has come to rest."""
        for key in keys:
            self.type(key)
            self.rest()

    def rest(self, seconds: float = 0.25, within: float = 5.0) -> None:
        """Read until nothing more comes for some time."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            before = len(self.output)
            if not self.read(seconds) or len(self.output) == before:
                return

    def ready(self) -> None:
        """Wait until the model can be asked."""
        self.wait_for("●", "cpu", seconds=60)

    def ask(self, question: str) -> None:
        """Send a message, and wait until its answer is written and kept."""
        self.type(question)
        self.rest()
        self.answered(ENTER)

    def answered(self, *keys: str) -> None:
        """Press keys, and wait until the chat ends with another finished answer than before."""
        before = self._newest()
        self.press(*keys)
        self.until(lambda: self._newest() not in (None, before))
        self.rest()

    def until(self, what: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait for something to be true."""
        end = time.monotonic() + seconds
        while not what():
            assert self.read(), f"ended too early:\n{self.text}"
            assert time.monotonic() < end, f"not within {seconds} s:\n{self.text}"

    def told(self, *words: str) -> None:
        """Wait for notices, which go by themselves and break their lines where they must."""

        def is_told() -> bool:
            return all(any(_bare(one) in shown for shown in self._shown) for one in words)

        self.until(is_told)

    def gone(self, *texts: str, seconds: float = 10.0) -> None:
        """Wait until none of these texts stands on the screen."""
        self.until(lambda: all(text not in self.text for text in texts), seconds)

    def last_chat(self) -> Chat | None:
        """The chat that was used last, as it is on the disk."""
        with Store.open(self.home / "data") as store:
            return store.chats.last()

    def preset(self, chat: Chat) -> Json:
        """A chat's preset, as it is on the disk; an empty one for nobody in particular."""
        with Store.open(self.home / "data") as store:
            return store.chats.preset(chat.id) or {}

    def messages(self) -> list[StoredMessage]:
        """The last chat's messages, as they are on the disk."""
        with Store.open(self.home / "data") as store:
            last = store.chats.last()
            return list(store.messages.path(last.id)) if last else []

    def _newest(self) -> int | None:
        """The id of the answer that the chat ends with; None while it is being written."""
        match self.messages():
            case [*_, StoredMessage(role=Role.ASSISTANT, status=status) as last]:
                return None if status == "writing" else last.id
        return 0 if not self.messages() else None

    def quit(self) -> None:
        """Ctrl+Q: it ends well, and no traceback was ever on the screen."""
        self.type(ctrl("q"))
        assert self.end(30) == 0
        assert "Traceback" not in self.output


def _line(cells: list[str]) -> str:
    """The second cell of a wide character is empty."""
    before = ["", *cells]
    return "".join(
        cell or ("" if pyte.screens.wcwidth(last[:1] or " ") == 2 else " ")
        for last, cell in zip(before, cells, strict=False)
    ).rstrip()


def _bare(text: str) -> str:
    """Without blanks, line breaks and borders."""
    return text.translate(_BARE)


@contextmanager
def walk(
    home: Path,
    *arguments: str,
    model: Path | None = None,
    size: tuple[int, int] = (40, 120),
    env: dict[str, str] | None = None,
) -> Iterator[Walk]:
    """A walk whose model is loaded; it is left with Ctrl+Q, and ended in any case."""
    walking = Walk(home, *arguments, model=model or starter(), size=size, env=env)
    try:
        walking.ready()
        yield walking
        walking.quit()
    finally:
        walking.close()
