# SPDX-License-Identifier: Apache-2.0
"""The path of a chat's tree that is shown, and every change of the tree.

Everything said is in the store before it is used; `turns` is what the store says of the active
path, read again after each change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from yuren_core.messages import ImagePart, Role
from yuren_core.sampling_params import SamplingParams
from yuren_tui.presets import Preset
from yuren_tui.session.chat_row import ChatRow
from yuren_tui.session.values import Profile, Turn
from yuren_tui.store import Deletion, Store, StoredMessage
from yuren_tui.store.messages import ACTIVE_LEAF, ActiveLeaf
from yuren_tui.store.titles import title_from


class ChatTree(ChatRow):
    """One chat with its messages.

    Args: as `ChatRow`.
    """

    def __init__(
        self,
        store: Callable[[], Store],
        *,
        profile: Profile,
        preset: Preset | None = None,
        sampling: SamplingParams,
        fixed_sampling: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(
            store,
            profile=profile,
            preset=preset,
            sampling=sampling,
            fixed_sampling=fixed_sampling,
        )
        self.turns: list[Turn] = []
        self._has_spoken = False

    # ------------------------------------------------------------ what is shown

    @property
    def has_spoken(self) -> bool:
        """Whether the person has said something, as far as it was seen here."""
        return self._has_spoken or any(turn.role is Role.USER for turn in self.turns)

    @property
    def images(self) -> tuple[ImagePart, ...]:
        """All pictures of the path, in order."""
        return tuple(image for turn in self.turns for image in turn.images)

    def turn(self, turn_id: int) -> Turn:
        """A turn of the path that is shown, by its id."""
        return next(turn for turn in self.turns if turn.id == turn_id)

    def reload(self) -> None:
        """Read the active path from the store again."""
        if self._id is None:
            self.turns = []
            return
        self.turns = [Turn.of(stored) for stored in self._store().messages.path(self._id)]
        self.title = self._store().chats.title(self._id)

    # ------------------------------------------------------------ saying

    def ask(self, text: str, images: Sequence[ImagePart]) -> tuple[Turn, Turn]:
        """Put a question into the store, and the answer that is to come.

        Raises:
            ImageError: a picture cannot be read.
            StorageError: the disk refuses; nothing has changed.
        """
        chat_id = self.require_id()
        question = self._store().messages.append(chat_id, Role.USER, text, images=images)
        answer = self._begin_answer(ACTIVE_LEAF)
        self.save_draft("", ())
        return self.turn(question.id), answer

    def ask_otherwise(self, turn_id: int, text: str, images: Sequence[ImagePart] | None) -> Turn:
        """Edit a person's message into a new branch; the answer that is to come."""
        self._store().messages.edit(turn_id, text, images=images)
        return self._begin_answer(ACTIVE_LEAF)

    def answer_again(self, turn_id: int) -> Turn:
        """Another answer beside one, or to a person's message that has none below it yet."""
        messages = self._store().messages
        turn = self.turn(turn_id)
        if turn.role is Role.USER:
            return self._begin_answer(turn_id)
        return self._show(messages.retry(turn_id, model=self.model_name))

    def continue_answer(self, turn_id: int) -> Turn:
        """A sibling that begins with an answer's words, to be written on."""
        messages = self._store().messages
        return self._show(messages.resume(turn_id, model=self.model_name))

    def save_partial(self, answer: Turn) -> None:
        """Keep what has been written so far."""
        self._store().messages.save_partial(answer.id, answer.text)

    def finish(self, answer: Turn) -> None:
        """Close an answer as its turn says; name the chat by its first exchange."""
        self._store().messages.finish(answer.id, answer.text, answer.status, answer.stats.stored)
        if self._id is not None and not self.title:
            asked = next((turn.text for turn in self.turns if turn.role is Role.USER), "")
            self.title = title_from(asked, answer.text)
            self._store().chats.rename(self._id, self.title, by_person=False)

    def take_back(self, answer: Turn, question: Turn | None) -> None:
        """Remove a wordless answer, and the question where it was new; that becomes the draft."""
        if question is not None:
            self.save_draft(question.text, question.images)
        self._store().messages.discard((question or answer).id)
        self.reload()

    def _begin_answer(self, parent: int | ActiveLeaf) -> Turn:
        stored = self._store().messages.begin_answer(
            self.require_id(), parent_id=parent, speaker=self.speaker, model=self.model_name
        )
        return self._show(stored)

    def _show(self, stored: StoredMessage) -> Turn:
        self.reload()
        return self.turn(stored.id)

    # ------------------------------------------------------------ branches

    def edit_in_place(self, turn_id: int, text: str) -> None:
        """Say an answer otherwise, as a sibling; nothing is generated."""
        self._store().messages.edit(turn_id, text)
        self.reload()

    def step(self, turn_id: int, offset: int) -> None:
        """Show the alternative `offset` places from a turn; the ends hold."""
        self._store().messages.step(turn_id, offset)
        self.reload()

    def select(self, message_id: int) -> None:
        """Show the branch of any message of the chat."""
        self._store().messages.select(message_id)
        self.reload()

    def delete(self, turn_id: int) -> Deletion:
        """Hide a message and all below it; `undo` brings it back."""
        self._has_spoken = self.has_spoken
        deletion = self._store().messages.delete(turn_id)
        self.reload()
        return deletion

    def undo(self, deletion: Deletion) -> None:
        """Bring a deleted subtree back."""
        self._store().messages.undo(deletion)
        self.reload()

    def pin(self, turn_id: int, *, pinned: bool) -> None:
        """Keep a turn in the context, or let it go."""
        self._store().messages.pin(turn_id, pinned=pinned)
        self.turn(turn_id).is_pinned = pinned
