# SPDX-License-Identifier: Apache-2.0
"""Slash commands in the prompt: completed as one types, run when they are sent.

A command that fails stands in the prompt again and is selected: it can be mended, and what is typed
next takes its place. Older prompts hold only commands that did something. What commands need is
imported with the first slash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on, work
from textual.content import Content
from textual.document._document import Document
from textual.widgets import TextArea

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.notices import drop_notices
from yuren_tui.screens.chat_prompt import PromptScreen
from yuren_tui.session import Session
from yuren_tui.widgets.prompt import PromptArea

if TYPE_CHECKING:
    from yuren_tui.commands import Command, CommandRunner, Completion
    from yuren_tui.screens.command_names import CommandNames
    from yuren_tui.widgets.completion import CompletionList

_SLASHES = ("/", "／")


class CommandScreen(PromptScreen):
    """The part of the chat that understands commands."""

    _runner: CommandRunner | None = None
    _names: CommandNames | None = None
    _list: CompletionList | None = None
    _completions: tuple[Completion, ...] = ()

    @property
    def session(self) -> Session:
        """The conversation."""
        return self._session

    # ------------------------------------------------------------ completing

    @on(TextArea.Changed, "PromptArea")
    @on(TextArea.SelectionChanged, "PromptArea")
    async def _prompt_changed(self) -> None:
        text = self.prompt.text
        if self._completions or text.startswith(_SLASHES):
            await self._offer(self._found(text) if text.startswith(_SLASHES) else ())
        self._tell_unknown(text)

    @on(PromptArea.ListMoved)
    def _list_moved(self, event: PromptArea.ListMoved) -> None:
        event.stop()
        if self._list is not None:
            self._list.step(event.step)

    @on(PromptArea.Taken)
    async def _taken(self, event: PromptArea.Taken) -> None:
        event.stop()
        self._take()

    @on(PromptArea.ListLeft)
    async def _list_left(self, event: PromptArea.ListLeft) -> None:
        event.stop()
        await self._offer(())

    def _found(self, text: str) -> tuple[Completion, ...]:
        from yuren_tui.commands import complete
        from yuren_tui.screens.command_names import CommandNames

        prompt = self.prompt
        self._names = self._names or CommandNames(self._session)
        if prompt.selected_text:
            return ()
        document = prompt.document
        assert isinstance(document, Document)
        cursor = document.get_index_from_location(prompt.cursor_location)
        found = complete(text, cursor, self._names)
        return tuple(one for one in found if one.value.strip() != text[one.start : one.end].strip())

    def _tell_unknown(self, text: str) -> None:
        """Say at the prompt's edge that a command which is being typed cannot become any."""
        words = ""
        if text.startswith(_SLASHES) and not self._completions:
            from yuren_tui.commands import is_unknown

            words = tr("commands.none_so") if is_unknown(text) else ""
        if self.prompt.border_subtitle != words:
            self.prompt.border_subtitle = Content(words)

    async def _offer(self, completions: tuple[Completion, ...]) -> None:
        self._completions = completions
        self.prompt.is_completing = bool(completions)
        if self._list is None:
            from yuren_tui.widgets.completion import CompletionList

            self._list = CompletionList(id="completions")
            await self.mount(self._list, before=self.prompt)
        self._list.offers = tuple((one.value, one.about) for one in completions)

    def _take(self) -> None:
        """Write the highlighted completion into the prompt."""
        place = (self._list.highlighted or 0) if self._list is not None else 0
        if place >= len(self._completions):
            return
        prompt, taken = self.prompt, self._completions[place]
        document = prompt.document
        assert isinstance(document, Document)
        start, end = map(document.get_location_from_index, (taken.start, taken.end))
        prompt.move_cursor(prompt.replace(taken.value, start, end).end_location)
        prompt.focus()

    # ------------------------------------------------------------ running

    async def submit_line(self) -> None:
        """Run the command that stands in the prompt, attach its picture, or send the message."""
        from yuren_tui.commands import parse
        from yuren_tui.typed_paths import refuse_missing, typed_pictures

        text = self.prompt.text
        if self._completions and self._list is not None and self._list.was_moved:
            self._take()
            return
        drop_notices(self)
        if pictures := typed_pictures(text):
            self.attach_typed(text, pictures)
            return
        try:
            command = parse(text) if text.startswith(_SLASHES) else None
            if command is None:
                refuse_missing(text)
        except YurenError as error:
            self.prompt.select_all()
            self.complain(error)
            return
        if command is None:
            self.submit_message()
            return
        self.begin_draft()
        self.prompt.clear()
        self.run_command(command, text)

    @work(group="command")
    async def run_command(self, command: Command, text: str) -> None:
        """Do what a command says.

        Args:
            command: what it says.
            text: as it was typed; it comes back where the command fails.
        """
        from yuren_tui.commands import CommandRunner
        from yuren_tui.screens.command_host import ScreenHost

        await self.is_open.wait()
        self._runner = self._runner or CommandRunner(ScreenHost(self))
        try:
            await self._runner.run(command)
        except YurenError as error:
            self.prompt.put_back(text, selected=True)
            self.complain(error)
        else:
            self.keep_prompt(text)

    def as_told(self, text: str) -> str:
        """A message as it is told: of two slashes at its beginning, one stays."""
        if not text.startswith(_SLASHES):
            return text
        from yuren_tui.commands import as_message

        return as_message(text)

    def submit_message(self) -> None:
        """Send what stands in the prompt; the chat's screen knows how."""
