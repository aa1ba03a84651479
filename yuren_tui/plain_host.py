# SPDX-License-Identifier: Apache-2.0
"""The conversation in lines as commands see it: what they show and ask, as plain lines.

stdout has what the model says in this conversation, its greeting included; lists, notices and
what was said before go to stderr. Nothing moves, nothing is written over.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator
from itertools import islice
from pathlib import Path

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart, Role
from yuren_core.protocol import Event, Exited, Failed
from yuren_tui.diagnostics import LoadProgress, tell
from yuren_tui.plain import failure_of, hear, open_picture
from yuren_tui.plain_output import AnswerWriter, answer_json
from yuren_tui.plain_typing import QuietTerminal
from yuren_tui.plain_url import picture_of_url
from yuren_tui.sanitize import sanitize, sanitize_line
from yuren_tui.session import ModelChoice, Session, Turn
from yuren_tui.url_picture import is_url

_SHOWN_TURNS = 20  # of a chat that is opened; /show has all
_SHOWN_CHATS = 30


class PlainHost:
    """A `CommandHost` of lines.

    Args:
        session: the conversation.
        terminal: quiet; it echoes while the editor has it.
        is_json: answers as JSON lines.
        editor: the command of an external editor; empty for the usual one.

    Attributes:
        pictures: go with the next message.
        editing: the message that the next one is said in the place of.
        prefill: what the prompt begins with, once.
        is_over: the person wants to end.
    """

    def __init__(
        self, session: Session, terminal: QuietTerminal, *, is_json: bool, editor: str
    ) -> None:
        self._session = session
        self._terminal = terminal
        self._is_json = is_json
        self._editor = editor
        self.writer = AnswerWriter(sys.stdout)
        self.pictures: list[ImagePart] = []
        self.editing: Turn | None = None
        self.prefill = ""
        self.is_over = False
        self._is_labelled = False
        self._dropped_turns = 0

    @property
    def session(self) -> Session:
        return self._session

    # ------------------------------------------------------------ showing

    @property
    def key_help(self) -> str:
        return tr("commands.help_lines")

    def say(self, text: str) -> None:
        tell(sanitize_line(text))

    def show(self, text: str) -> None:
        tell(sanitize(text).rstrip("\n"))

    async def show_chat(self) -> None:
        chat, turns = self.session.chat, self.session.turns
        self.editing = None
        self.pictures = list(chat.draft.images)
        self.prefill = chat.draft.text
        self._dropped_turns = 0
        if all(turn.role is Role.ASSISTANT for turn in turns):
            for turn in turns:
                self._speak(turn)
            return
        self.say(tr("plain.opened", id=chat.id, title=chat.title or tr("store.untitled")))
        if len(turns) > _SHOWN_TURNS:
            self.say(tr("plain.earlier", count=len(turns) - _SHOWN_TURNS))
        for turn in turns[-_SHOWN_TURNS:]:
            self._tell_turn(turn)

    async def show_branch(self, turn: Turn | None) -> None:
        shown = turn or (self.session.turns[-1] if self.session.turns else None)
        if shown is not None:
            self._tell_turn(shown)
            self._tell_counter(shown)

    def refresh(self, turn: Turn) -> None:
        pass  # lines that stand are not written over

    async def show_answer(self, events: AsyncGenerator[Event, None]) -> None:
        self._is_labelled = False
        before = {turn.id for turn in self.session.turns}
        try:
            await hear(self.session, events, on_text=self._write)
        finally:
            self.writer.end_line()
        turns = self.session.turns
        self._finish(turns[-1] if turns and turns[-1].id not in before else None)

    # ------------------------------------------------------------ asking

    def begin_edit(self, turn: Turn) -> None:
        self.editing = turn
        self.prefill = turn.text
        self.say(tr("plain.editing"))

    async def edit_system(self) -> None:
        from yuren_tui.editor import edit_text, editor_command

        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError(tr("plain.no_editor"), tr("plain.no_editor_remedy"))
        edited = await edit_text(
            self.session.system_prompt,
            command=editor_command(self._editor, os.environ),
            environment=os.environ,
            suspended=self._terminal.echoing,
        )
        if edited.is_changed:
            self.session.system_prompt = edited.text
        self.say(tr("commands.system_set" if edited.is_changed else "plain.unchanged"))

    async def choose_chat(self, words: str) -> None:
        from yuren_tui.chat_tasks import found_chats, summary_line

        chats = list(islice(found_chats(self.session.store, words), _SHOWN_CHATS))
        for chat in chats:
            mark = "*" if chat.id == self.session.chat.id else " "
            tell(f"{mark}{summary_line(chat)}")
        self.say(tr("plain.open_one" if chats else "plain.no_chats"))

    async def choose_preset(self) -> None:
        from yuren_tui.presets import PresetLibrary

        language = self.session.profile.language
        current = self.session.chat.preset.id
        for preset in PresetLibrary().presets():
            text = preset.text(language)
            mark = "*" if preset.id == current else " "
            self.say(f"{mark} {preset.id}: {text.name}. {text.description}")
        self.say(tr("plain.choose_preset"))

    async def choose_model(self) -> None:
        from yuren_tui.commands import SessionContext

        choice = self.session.choice
        for model, _ in SessionContext(self.session).models():
            mark = "*" if choice is not None and model == choice.model else " "
            self.say(f"{mark} {model}")
        self.say(tr("plain.choose_model"))

    async def load_model(self, choice: ModelChoice) -> None:
        progress = LoadProgress(sys.stderr)
        try:
            async for event in self.session.load(choice):
                progress.show(event)
        finally:
            progress.end()
        if isinstance(event, Failed | Exited):
            raise failure_of(event)
        if ready := self.session.model.ready:
            self.session.store.history.add_model(
                choice.model, load=choice.load, device=choice.device
            )
            self.say(f"{ready.model} · {ready.device} · {ready.dtype}")

    async def attach(self, path: str) -> None:
        picture: ImagePart | None
        if is_url(path):
            picture = await picture_of_url(path, self.session.store, self._terminal)
        else:
            picture = open_picture(path)
        if picture is None:
            return
        self.session.check_sendable(path, [*self.pictures, picture])
        self.pictures.append(picture)
        self.say(tr("plain.attached", path=picture.path))

    async def copy(self, text: str) -> None:
        from yuren_tui.clipboard import copy_text

        takes_escapes = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        write = _write_to_terminal if takes_escapes else None
        copied = await copy_text(text, write=write, environment=os.environ)
        self.say(copied.message)

    def quit(self) -> None:
        self.is_over = True

    # ------------------------------------------------------------ lines

    def _write(self, text: str) -> None:
        if self._is_json:
            return
        if not self._is_labelled:
            self.writer.write(_label(self.session.turns[-1]))
            self._is_labelled = True
        self.writer.write(text)

    def _speak(self, turn: Turn) -> None:
        """A greeting: the first that the model says."""
        if self._is_json:
            self._tell_turn(turn)
            return
        self.writer.write(f"{_label(turn)}{turn.text}")
        self.writer.end_line()
        self._tell_counter(turn)

    def _tell_turn(self, turn: Turn) -> None:
        pictures = "".join(f"[{Path(image.path).name[:12]}] " for image in turn.images)
        self.show(f"{_label(turn)}{pictures}{turn.text}")

    def _tell_counter(self, turn: Turn) -> None:
        if turn.sibling_count > 1:
            tell(f"({turn.sibling_index}/{turn.sibling_count})")

    def _finish(self, turn: Turn | None) -> None:
        """End the lines of an answer, and say what is to be known of it."""
        if turn and self._is_json:
            self.writer.write(answer_json(self.session))
        elif turn and not turn.text:
            self._write("\n")
        self.writer.end_line()
        if turn is None:
            tell(tr("plain.nothing_came"))
            return
        if turn.status in ("stopped", "length"):
            tell(tr("plain.stopped" if turn.status == "stopped" else "plain.cut"))
        if turn.stats.dropped_turns > self._dropped_turns:
            self._dropped_turns = turn.stats.dropped_turns
            tell(tr("plain.dropped", count=self._dropped_turns))
        for said in self.session.turns[-1:-3:-1]:
            if said.sibling_count > 1:
                self._tell_counter(said)
                break


def _write_to_terminal(sequence: str) -> None:
    sys.stdout.write(sequence)
    sys.stdout.flush()


def _label(turn: Turn) -> str:
    """Who speaks, before what is said."""
    if turn.speaker:
        return tr("plain.speaker", name=sanitize_line(turn.speaker, limit=60))
    return tr("plain.assistant" if turn.role is Role.ASSISTANT else "plain.you")
