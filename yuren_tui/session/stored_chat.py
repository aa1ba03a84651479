# SPDX-License-Identifier: Apache-2.0
"""The chat that is open: how it is opened and left, and what it tells the model.

A chat that is left without a word of the person's is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from yuren_core.errors import UsageError
from yuren_core.messages import Message, Role
from yuren_core.sampling_params import SamplingParams
from yuren_tui.presets import Assembly, Preset, greetings
from yuren_tui.session.chat_prompt import ChatPrompt
from yuren_tui.session.chat_tree import ChatTree
from yuren_tui.session.preset_snapshot import preset_of, snapshot_of
from yuren_tui.session.values import Turn
from yuren_tui.store.chat_rows import unknown_chat


class StoredChat(ChatTree):
    """One chat, whole; made as `ChatRow`."""

    # ------------------------------------------------------------ opening and leaving

    def open(self, chat_id: int) -> None:
        """Show a chat of the store in the place of this one.

        Raises:
            UsageError: there is no such chat.
        """
        chat = self._store().chats.get(chat_id)
        if chat.is_deleted:
            raise unknown_chat(chat_id)
        self.leave()
        self._take_row(chat, preset_of(self._store().chats.preset(chat_id)))
        self._store().chats.touch(chat.id)
        self.reload()

    def leave(self) -> None:
        """Forget the chat in the store where the person has said and typed nothing in it.

        What was said in a branch that is not shown, or has been deleted, is said all the same.
        """
        if self._id is None:
            return
        store, chat_id = self._store(), self._id
        self._id = None
        if self.draft or self.system_draft is not None or self.has_spoken:
            return
        tree = store.messages.tree(chat_id)
        with suppress(UsageError):  # another process has forgotten it already
            is_named = store.chats.get(chat_id).is_title_set
            if not is_named and all(message.role is not Role.USER for message in tree):
                store.chats.purge(chat_id)

    # ------------------------------------------------------------ the preset

    def use_preset(self, preset: Preset, base: SamplingParams) -> None:
        """Change who the model is, from here on; what was said and typed stays.

        Args:
            preset: the new one.
            base: sampling before what the preset says of it.
        """
        self._take_preset(preset, base)
        if self._id is not None:
            self._store().chats.update(
                self._id,
                preset=snapshot_of(preset),
                system_prompt=self._system_prompt,
                sampling=self._sampling.kept,
            )
        elif not self.turns:
            self.greet()

    def greet(self) -> None:
        """Let the preset speak first, where it has something to say; its swipes are siblings."""
        said = greetings(
            self._preset,
            user_name=self.profile.user_name,
            persona=self.profile.persona,
            model=self.model_name,
            language=self.profile.language,
            now=datetime.now().astimezone(),
            seed=self._id or 0,
        )
        if not said:
            return
        messages, chat_id = self._store().messages, self.require_id()
        first = None
        for text in said:
            stored = messages.append(
                chat_id, Role.ASSISTANT, text, parent_id=None, speaker=self.speaker
            )
            first = first or stored
        assert first is not None
        messages.select(first.id)
        self.reload()

    # ------------------------------------------------------------ the prompt

    def told_turns(self, answer: Turn | None = None) -> list[Turn]:
        """The turns that the model is told.

        Args:
            answer: the turn that is to be written; told only where it has words to go on from.
        """
        return [
            turn
            for turn in self.turns
            if (turn.text if turn is answer else turn.status != "writing")
        ]

    def prompt(self, answer: Turn | None = None, unsaid: Sequence[Message] = ()) -> ChatPrompt:
        """All that the model is to be told, to be assembled here or in a thread.

        Args:
            answer: as `told_turns`.
            unsaid: messages that are not said yet, for counting.
        """
        told = self.told_turns(answer)
        is_greeted = bool(told) and told[0].role is Role.ASSISTANT
        return ChatPrompt(
            preset=self._preset,
            system_prompt=self._system_prompt,
            profile=self.profile,
            model=self.model_name,
            seed=self._id or 0,
            history=tuple(turn.message for turn in told),
            pinned=frozenset(place for place, turn in enumerate(told) if turn.is_pinned),
            unsaid=tuple(unsaid),
            lore_active_at=_active_at(self._extras),
            greeting_index=told[0].sibling_index - 1 if is_greeted else None,
        )

    def assemble(self, answer: Turn | None = None, extra: Sequence[Message] = ()) -> Assembly:
        """`prompt`, assembled."""
        return self.prompt(answer, extra).assemble()

    def remember_lore(self, assembly: Assembly) -> None:
        """Keep when lore was last active, once a turn has been sent."""
        active_at = dict(assembly.lore.state.active_at)
        if active_at != _active_at(self._extras) and self._id is not None:
            self._extras["lore"] = active_at
            self._store().chats.update(self._id, extras=self._extras)


def _active_at(extras: Mapping[str, Any]) -> dict[str, int]:
    kept = extras.get("lore")
    return kept if isinstance(kept, dict) else {}
