# SPDX-License-Identifier: Apache-2.0
"""What can be done to a message: every act that the transcript's keys ask for, carried out."""

from __future__ import annotations

import os
from typing import ClassVar

from textual import events, on, work
from textual.binding import ActiveBinding, BindingType

from yuren_core.errors import UsageError, YurenError
from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.notices import drop_notices
from yuren_tui.screens.chat_answers import AnswersScreen
from yuren_tui.screens.turn_menu import choose_act, choose_block
from yuren_tui.widgets.turn_list import TurnList
from yuren_tui.widgets.turn_view import Act, TurnView

_ALWAYS_HELPFUL = ("turns.", "transcript.", "prompt.send", "prompt.newline", "chat.stop")


class TurnsScreen(AnswersScreen):
    """The part of the chat that carries out what is wanted of messages."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("alt+up,ctrl+up", "to_turns", "turns.enter", show=True),
        bind("f3,ctrl+b", "tree", "turns.tree"),
    ]

    # ------------------------------------------------------------ where the keys go

    def action_to_turns(self) -> None:
        """From writing to the messages."""
        if self._session.turns:
            self.transcript.turns.focus(scroll_visible=False)

    def action_to_prompt(self) -> None:
        """From the messages, or wherever the keys go, to writing."""
        self.prompt.focus()

    @on(TurnList.LeaveWanted)
    def _leave_wanted(self, event: TurnList.LeaveWanted) -> None:
        self.set_focus(self.prompt)  # at once: the next key may be there already
        if event.text:
            self.prompt.post_message(events.Paste(event.text))

    @property
    def unfocused_bindings(self) -> dict[str, ActiveBinding]:
        """Keys that act when something else has the focus, or an answer is being written: for the
        help, which is asked for elsewhere."""
        found: dict[str, ActiveBinding] = {}
        for node in (self.transcript.turns, self.prompt, self):
            keys = node._bindings.copy()
            keys.apply_keymap(self.app._keymap)
            for key, binding in keys:
                if str(binding.id).startswith(_ALWAYS_HELPFUL):
                    name = f"{binding.id} {key}"
                    found[name] = ActiveBinding(node, binding, True, binding.tooltip)
        return found

    # ------------------------------------------------------------ acts

    @work(group="act")
    async def action_undo_delete(self) -> None:
        """Bring back what was deleted last."""
        try:
            await self.undo_delete()
        except YurenError as error:
            self.complain(error)

    @on(TurnList.Wanted)
    @work(group="act")
    async def _wanted(self, event: TurnList.Wanted) -> None:
        act, view = event.act, event.view
        try:
            if act == "undo":
                await self.undo_delete()
                return
            if view is not None and act == "menu":
                chosen = await choose_act(self.app, view)
                if chosen is not None:
                    await self._act(chosen, view)
            elif view is not None and act in view.acts:
                await self._act(act, view)
            elif view is not None:
                self._require_rest()
                self.say(tr(f"turns.{_why_not(act, view)}"))
        except YurenError as error:
            self.complain(error)

    async def _act(self, act: Act, view: TurnView) -> None:
        if act not in ("copy", "code", "quote"):
            self._require_rest()
        match act:
            case "previous" | "next":
                await self.swipe(view.id, -1 if act == "previous" else 1)
            case "retry" | "continue":
                ask = self._session.retry if act == "retry" else self._session.resume
                self.answer(ask(view.id))
            case "edit" | "resend":
                await self.edit_turn(view, sends=act == "resend")
            case "copy":
                await self.copy(view.text)
            case "code":
                if (code := await choose_block(self.app, view.text)) is not None:
                    await self.copy(code)
            case "quote":
                self.quote(view.text)
            case "pin":
                self._session.chat.pin(view.id, pinned=not view.is_pinned)
                await self.show_turns()
                self.show_status()
            case "delete":
                await self.delete(view.id)
            case _:
                pass

    async def edit_turn(self, view: TurnView, *, sends: bool) -> None:
        """Let the person edit a message; `chat_editing` does."""

    async def swipe(self, turn_id: int, offset: int) -> None:
        """Show another alternative of a message in its place."""
        place = next(i for i, turn in enumerate(self._session.turns) if turn.id == turn_id)
        self._session.chat.step(turn_id, offset)
        shown = self._session.turns[place].id
        await self.show_turns(swapped=(turn_id, shown))
        self.transcript.turns.current = shown
        self.show_status()

    async def delete(self, turn_id: int) -> None:
        """Take a message and all below it away; it can be brought back."""
        self._require_rest()
        deletion = self._session.chat.delete(turn_id)
        self._deletions.append(deletion)
        await self.show_turns()
        self.show_status()
        hint = tr("turns.undo_hint", command=tr("command.undo_delete"))
        self.say(tr("turns.deleted", count=deletion.message_count), hint)

    async def undo_delete(self) -> None:
        """Bring back what was deleted last."""
        if not self._deletions:
            self.say(tr("turns.nothing_deleted"))
            return
        self._require_rest()
        deletion = self._deletions.pop()
        self._session.chat.undo(deletion)
        drop_notices(self)
        await self.show_turns()
        await self.transcript.turns.go(deletion.message_id)
        self.show_status()

    async def copy(self, text: str) -> None:
        """Put a text on the clipboard, and say what is known of it."""
        from yuren_tui.clipboard import copy_text

        driver = self.app._driver
        copied = await copy_text(
            text, write=driver.write if driver else None, environment=os.environ
        )
        self.say(copied.message)

    def quote(self, text: str) -> None:
        """Put a text into the prompt as a quotation, and go on writing below it."""
        quoted = "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())
        before = self.prompt.text.rstrip()
        self.prompt.put(f"{before}\n\n{quoted}\n\n" if before else f"{quoted}\n\n")
        self.prompt.focus()

    @work(group="tree", exclusive=True)
    async def action_tree(self) -> None:
        """Show the whole tree of the conversation, and go to what is chosen there."""
        from yuren_tui.screens.tree import TreeScreen

        chat = self._session.chat
        if chat.id is None or not self._session.turns:
            self.say(tr("tree.empty"))
            return
        messages = self._session.store.messages.tree(chat.id)
        active = [turn.id for turn in self._session.turns]
        chosen = await self.app.push_screen_wait(
            TreeScreen(
                messages, active, current=self.transcript.turns.current, model_name=self._model_name
            )
        )
        if chosen is None:
            return
        try:
            if chosen not in active:
                self._require_rest()
                chat.select(chosen)
                await self.show_turns()
        except YurenError as error:
            self.complain(error)
            return
        self.transcript.turns.focus(scroll_visible=False)
        await self.transcript.turns.go(chosen)
        self.show_status()

    def _require_rest(self) -> None:
        if self._session.is_answering:
            raise UsageError(tr("session.busy"), tr("session.stop_first"))


def _why_not(act: Act, view: TurnView) -> str:
    """The name in the catalogues of why a message does not know an act."""
    if act in ("code", "resend"):
        return f"no_{act}"
    if view.is_user:
        return "no_continue"
    return "continue_nothing" if "retry" in view.acts else "no_answer"
