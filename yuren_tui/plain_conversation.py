# SPDX-License-Identifier: Apache-2.0
"""A conversation in lines: for screen readers, dumb terminals, and who likes it plain.

`You: ` asks, `Assistant: ` (or a character's name) answers. A failure is told on stderr and the
conversation goes on. Ctrl+C during an answer stops it and keeps its words; Ctrl+C or Ctrl+D at
`You: ` ends. With `--json` an answer is one object a line on stdout. Where stdout is not for the
person alone, in a pipe or with `--json`, `You: ` goes to stderr. All slash commands work.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart, Role
from yuren_tui.commands import CommandRunner, SessionContext, as_message, complete, parse
from yuren_tui.diagnostics import tell, tell_error
from yuren_tui.foreground import Foreground
from yuren_tui.plain_host import PlainHost
from yuren_tui.plain_input import LineReader
from yuren_tui.plain_typing import QuietTerminal
from yuren_tui.session import Session, Turn
from yuren_tui.typed_paths import refuse_missing, typed_pictures


class Conversation:
    """Asks and answers until the person ends it.

    Args:
        session: its `choice` is made and it has begun; nothing is loaded yet.
        foreground: where the session's work runs.
        terminal: quiet; it echoes while a line is read.
        is_json: answers as JSON lines.
        editor: the command of an external editor; empty for the usual one.
    """

    def __init__(
        self,
        session: Session,
        foreground: Foreground,
        terminal: QuietTerminal,
        *,
        is_json: bool,
        editor: str = "",
    ) -> None:
        self._session = session
        self._foreground = foreground
        self._host = PlainHost(session, terminal, is_json=is_json, editor=editor)
        self._runner = CommandRunner(self._host)
        self._reader = LineReader(terminal, on_stdout=not is_json and sys.stdout.isatty())

    def run(self, pictures: Sequence[ImagePart] = ()) -> None:
        """Load the model, then talk until the person ends it.

        Args:
            pictures: attached to the first question.

        Raises:
            YurenError: the model cannot be loaded; there is nobody to talk to.
        """
        assert self._session.choice is not None
        self._foreground.run(self._host.load_model(self._session.choice))
        self._reader.prepare(self._session.store.history.prompts, self._completions)
        self._foreground.run(self._host.show_chat())
        self._host.pictures += pictures
        with suppress(EOFError, KeyboardInterrupt):
            while not self._host.is_over:
                self._obey(self._read())
            return
        tell("")  # the shell's prompt begins on a line of its own

    def _read(self) -> str:
        prefill, self._host.prefill = self._host.prefill, ""
        if prefill and not self._reader.can_prefill:
            self._host.show(prefill)
        return self._reader.read(prefill)

    def _completions(self, line: str) -> list[str]:
        found = complete(line, len(line), SessionContext(self._session))
        return [line[: one.start] + one.value for one in found]

    # ------------------------------------------------------------ obeying

    def _obey(self, line: str) -> None:
        """Do what a line says: a command, a message, or nothing."""
        try:
            command = parse(line)
            if command is not None:
                self._attend(self._runner.run(command))
            elif self._host.editing is not None:
                self._say_otherwise(self._host.editing, as_message(line))
            elif pictures := typed_pictures(line):
                for path in pictures:
                    self._attend(self._host.attach(str(path)))
            elif line.strip() or self._host.pictures:
                refuse_missing(line)
                self._ask(as_message(line))
        except YurenError as error:
            tell_error(error.message, error.hint)

    def _ask(self, text: str) -> None:
        before = {turn.id for turn in self._session.turns}
        try:
            self._attend(self._answer(text))
        finally:
            if any(turn.id not in before for turn in self._session.turns):
                self._host.pictures.clear()
        self._session.store.history.add_prompt(text)

    async def _answer(self, text: str) -> None:
        await self._session.client.ping()  # a process that died meanwhile is noticed here
        await self._host.show_answer(self._session.send(text, tuple(self._host.pictures)))

    def _say_otherwise(self, turn: Turn, text: str) -> None:
        """Say a message anew, as a branch beside it."""
        self._host.editing = None
        if not text.strip() or text == turn.text:
            tell(tr("plain.unchanged"))
            return
        images = (*turn.images, *self._host.pictures)
        self._host.pictures.clear()
        if turn.role is Role.USER:
            self._attend(self._host.show_answer(self._session.edit(turn.id, text, images)))
            return
        place = self._session.turns.index(turn)
        self._session.chat.edit_in_place(turn.id, text)
        self._attend(self._host.show_branch(self._session.turns[place]))

    def _attend(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that Ctrl+C may stop."""
        with self._stopping_on_interrupt():
            self._foreground.run(work)

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
