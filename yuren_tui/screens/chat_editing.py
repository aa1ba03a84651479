# SPDX-License-Identifier: Apache-2.0
"""Editing a message where it stands. What has been typed is never lost: it is in the store half a
second later, with the message that it is about, until it is used or thrown away."""

from __future__ import annotations

from collections.abc import Iterable

from textual import on, work
from textual.timer import Timer
from textual.widgets import TextArea

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart, Role
from yuren_tui.sanitize import sanitize_line
from yuren_tui.screens.chat_turns import TurnsScreen
from yuren_tui.session import Turn
from yuren_tui.widgets.picture import shown_name
from yuren_tui.widgets.turn_editor import TurnEditor
from yuren_tui.widgets.turn_view import TurnView

_SAVE_AFTER_S = 0.3
_EXTRA = "edit"  # keys in a message's extras
_NAMES = "pictures"


class EditingScreen(TurnsScreen):
    """The part of the chat that edits messages."""

    _saving: Timer | None = None
    _edit_typed: tuple[int, str] | None = None

    async def edit_turn(self, view: TurnView, *, sends: bool) -> None:
        """Let the person edit a message where it stands.

        Args:
            view: which.
            sends: whether Enter asks the model anew; only for what the person said.
        """
        await self._close_editor()
        await self.transcript.turns.go(view.id)
        message = self.transcript.message(view.id)
        if message is not None:
            text = self._kept_edit(view.id) or view.text
            await message.edit(TurnEditor(view.id, text, sends=sends and view.is_user))

    def begin_edit(self, turn: Turn) -> None:
        """Edit a turn, in the background; a person's is sent again."""
        view = next((v for v in self.transcript.turns.views if v.id == turn.id), None)
        if view is not None:
            self.run_worker(self.edit_turn(view, sends=turn.role is Role.USER), group="act")

    # ------------------------------------------------------------ handlers

    @on(TextArea.Changed, "TurnEditor")
    def _editor_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        editor = event.text_area
        assert isinstance(editor, TurnEditor)
        self._edit_typed = (editor.turn_id, editor.text)
        if self._saving is None:
            self._saving = self.set_timer(_SAVE_AFTER_S, self.save_edit)

    @on(TurnEditor.PasteCut)
    def _editor_paste_cut(self) -> None:
        self.say(tr("chat.paste_cut"), severity="warning")

    @on(TurnEditor.Done)
    @work(group="act")
    async def _edit_done(self, event: TurnEditor.Done) -> None:
        turn = next((turn for turn in self._session.turns if turn.id == event.turn_id), None)
        try:
            self._require_rest()
            if turn is None or (event.text == turn.text and not event.sends):
                await self._end_edit(event.turn_id, None)
                return
            if event.sends:
                self._session.check_sendable(event.text, turn.images)
            await self._end_edit(event.turn_id, None)
            if event.sends:
                self._ask_otherwise(turn.id, event.text)
                return
            place = self._session.turns.index(turn)
            self._session.chat.edit_in_place(turn.id, event.text)
            shown = self._session.turns[place].id
            await self.show_turns(swapped=(turn.id, shown))
            self.transcript.turns.current = shown
            self.show_status()
        except YurenError as error:
            self.complain(error)

    @work(group="answer")
    async def _ask_otherwise(self, turn_id: int, text: str) -> None:
        """Ask with other words; where not a word is answered they are an edit to go on with."""
        stands = False
        try:
            stands = await self.show_answer(self._session.edit(turn_id, text))
        except YurenError as error:
            self.complain(error)
        if not stands:
            self._keep(turn_id, text)
            self.save_draft()  # the session takes what was asked for the draft
            await self.show_turns()
        self.show_status()

    @on(TurnEditor.Left)
    @work(group="act")
    async def _edit_left(self, event: TurnEditor.Left) -> None:
        try:
            await self._end_edit(event.turn_id, event.text)
            await self.show_turns()
        except YurenError as error:
            self.complain(error)

    # ------------------------------------------------------------ keeping

    def save_draft(self) -> None:
        """Put what is unsent into the store; `chat_memory` does."""

    def save_edit(self) -> None:
        """Put what is being edited into the store now."""
        self._saving = None
        if self._edit_typed is None:
            return
        (turn_id, text), self._edit_typed = self._edit_typed, None
        turn = next((turn for turn in self._session.turns if turn.id == turn_id), None)
        try:
            self._keep(turn_id, None if turn is None or text == turn.text else text)
        except YurenError as error:
            self.complain(error)

    def read_extras(self) -> None:
        """Learn which messages of the open chat have an edit that was not finished, and what its
        pictures are called."""
        chat_id = self._session.chat.id
        tree = self._session.store.messages.tree(chat_id) if chat_id is not None else ()
        self._edited = {message.id for message in tree if message.extras.get(_EXTRA)}
        for message in tree:
            names = message.extras.get(_NAMES)
            if isinstance(names, dict):
                self._picture_names |= {str(k): sanitize_line(str(v)) for k, v in names.items()}

    def keep_names(self) -> None:
        """Keep what the pictures that were just sent are called: the store knows their hashes."""
        for turn in self._session.turns[-2:]:
            names = {image.sha256: self._picture_names.get(image.sha256) for image in turn.images}
            if any(names.values()):
                messages = self._session.store.messages
                extras = messages.get(turn.id).extras
                messages.set_extras(turn.id, {**extras, _NAMES: names})

    def name_pictures(self, parts: Iterable[ImagePart]) -> None:
        """Remember what attached pictures are called."""
        names = {part.sha256: shown_name(part.path) for part in parts}
        self._picture_names |= {sha256: name for sha256, name in names.items() if name}

    async def _end_edit(self, turn_id: int, text: str | None) -> None:
        """Close the editor; keep what was typed where it differs, forget it where it is None."""
        self._edit_typed = None
        turn = next((turn for turn in self._session.turns if turn.id == turn_id), None)
        is_kept = turn is not None and text is not None and text != turn.text
        self._keep(turn_id, text if is_kept else None)
        await self._close_editor()
        self.transcript.turns.focus(scroll_visible=False)

    async def _close_editor(self) -> None:
        self.save_edit()
        for editor in self.transcript.query(TurnEditor):
            if (message := self.transcript.message(editor.turn_id)) is not None:
                await message.end_edit()

    def _kept_edit(self, turn_id: int) -> str:
        kept = self._session.store.messages.get(turn_id).extras.get(_EXTRA)
        return kept if isinstance(kept, str) else ""

    def _keep(self, turn_id: int, text: str | None) -> None:
        messages = self._session.store.messages
        extras = dict(messages.get(turn_id).extras)
        if extras.get(_EXTRA) == text:
            return
        extras.pop(_EXTRA, None)
        self._edited.discard(turn_id)
        if text is not None:
            extras[_EXTRA] = text
            self._edited.add(turn_id)
        messages.set_extras(turn_id, extras)
