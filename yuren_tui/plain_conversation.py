# SPDX-License-Identifier: Apache-2.0
"""A conversation in lines: for screen readers, dumb terminals, and who likes it plain.

`You: ` asks, `Assistant: ` answers; nothing moves, nothing is written over. A failure is told on
stderr and the conversation goes on. Ctrl+C during an answer stops it and keeps its words; Ctrl+C
or Ctrl+D at `You: ` ends. With `--json` an answer is one object a line on stdout. Where stdout
is not for the person alone, in a pipe or with `--json`, `You: ` goes to stderr.

While the person types, no event loop runs: the line editor has the terminal for itself.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart
from yuren_core.protocol import Exited, Failed
from yuren_tui.diagnostics import LoadProgress, tell, tell_error
from yuren_tui.foreground import Foreground
from yuren_tui.plain import AnswerWriter, answer_json, ask, failure_of, open_picture
from yuren_tui.sanitize import sanitize_line
from yuren_tui.session import Session


class Conversation:
    """Asks and answers until the person ends it.

    Args:
        session: its `choice` is made; nothing is loaded yet.
        foreground: where the session's work runs.
        is_json: answers as JSON lines.
    """

    def __init__(self, session: Session, foreground: Foreground, *, is_json: bool) -> None:
        self._session = session
        self._foreground = foreground
        self._is_json = is_json
        self._writer = AnswerWriter(sys.stdout)
        self._asks_on_stdout = not is_json and sys.stdout.isatty()
        self._pictures: list[ImagePart] = []
        self._is_labelled = False
        self._dropped_turns = 0

    def run(self, pictures: Sequence[ImagePart] = ()) -> None:
        """Load the model, then talk until the person ends it.

        Args:
            pictures: attached to the first question.

        Raises:
            YurenError: the model cannot be loaded; there is nobody to talk to.
        """
        self._pictures = list(pictures)
        self._foreground.run(self._load())
        self._prepare_input()
        with suppress(EOFError, KeyboardInterrupt):
            while self._obey(self._read()):
                pass
            return
        tell("")  # the shell's prompt begins on a line of its own

    async def _load(self) -> None:
        assert self._session.choice is not None
        progress = LoadProgress(sys.stderr)
        try:
            async for event in self._session.load(self._session.choice):
                progress.show(event)
        finally:
            progress.end()
        if isinstance(event, Failed | Exited):
            raise failure_of(event)

    # ------------------------------------------------------------ asking

    def _prepare_input(self) -> None:
        if reconfigure := getattr(sys.stdin, "reconfigure", None):
            reconfigure(encoding="utf-8", errors="replace")
        if self._asks_on_stdout:
            with suppress(ImportError):
                import readline  # noqa: F401 - arrow keys and history, by being imported

    def _read(self) -> str:
        """What the person writes; lines that end in a backslash go on in the next."""
        lines: list[str] = []
        while True:
            line = self._read_line(tr("plain.more" if lines else "plain.you"))
            lines.append(line.removesuffix("\\"))
            if not line.endswith("\\"):
                return "\n".join(lines)

    def _read_line(self, asked: str) -> str:
        if self._asks_on_stdout:
            return input(asked)
        if sys.stderr is not None:
            sys.stderr.write(asked)
            sys.stderr.flush()
        if line := sys.stdin.readline():
            return line.rstrip("\r\n")
        raise EOFError

    def _obey(self, line: str) -> bool:
        """Do what a line says; False to end."""
        word, _, rest = line.partition(" ")
        match word:
            case "/quit":
                return False
            case "/new":
                self._session.new_chat()
                self._pictures.clear()
                tell(tr("plain.new_chat"))
            case "/help":
                tell(tr("plain.help").strip())
            case "/image":
                self._attach(rest)
            case _ if word[:1] == "/" and word[1:].isalpha():
                tell_error(tr("plain.unknown_command", command=word), tr("plain.command_remedy"))
            case _ if line.strip() or self._pictures:
                self._answer(line[1:] if line.startswith("//") else line)
            case _:
                pass
        return True

    def _attach(self, path: str) -> None:
        try:
            picture = open_picture(path)
            self._session.check_sendable(path, [*self._pictures, picture])
        except YurenError as error:
            tell_error(error.message, error.hint)
            return
        self._pictures.append(picture)
        tell(tr("plain.attached", path=sanitize_line(picture.path)))

    # ------------------------------------------------------------ answering

    def _answer(self, text: str) -> None:
        before = len(self._session.turns)
        self._is_labelled = False
        try:
            with self._stopping_on_interrupt():
                self._foreground.run(self._ask(text))
        except YurenError as error:
            self._writer.end_line()
            tell_error(error.message, error.hint)
        else:
            self._finish(stands=len(self._session.turns) > before)
        if len(self._session.turns) > before:
            self._pictures.clear()

    async def _ask(self, text: str) -> None:
        await self._session.client.ping()  # a process that died meanwhile is noticed here
        await ask(self._session, text, self._pictures, on_text=self._write)

    def _write(self, text: str) -> None:
        if self._is_json:
            return
        if not self._is_labelled:
            self._writer.write(tr("plain.assistant"))
            self._is_labelled = True
        self._writer.write(text)

    def _finish(self, *, stands: bool) -> None:
        """End the lines of an answer, and say what is to be known of it."""
        turn = self._session.turns[-1] if stands else None
        if turn and self._is_json:
            self._writer.write(answer_json(self._session))
        elif turn and not turn.text:
            self._write("\n")
        self._writer.end_line()
        if turn is None or turn.status == "stopped":
            tell(tr("plain.stopped"))
        elif turn.status == "length":
            tell(tr("plain.cut"))
        if turn and turn.stats.dropped_turns > self._dropped_turns:
            self._dropped_turns = turn.stats.dropped_turns
            tell(tr("plain.dropped", count=self._dropped_turns))

    @contextmanager
    def _stopping_on_interrupt(self) -> Iterator[None]:
        """Let Ctrl+C stop the answer; a second one, where that does not help, ends."""
        loop = self._foreground.loop
        stops: list[asyncio.Task[None]] = []
        is_stopping = False

        def stop() -> None:
            stops.append(loop.create_task(self._session.stop()))

        def interrupt(_: int, __: FrameType | None) -> None:
            nonlocal is_stopping
            if is_stopping:
                raise KeyboardInterrupt
            is_stopping = True
            loop.call_soon_threadsafe(stop)

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
