# SPDX-License-Identifier: Apache-2.0
"""The chat that is open: the path of its tree that is shown, its preset, system prompt, draft.

Everything said is in the store before it is used; `turns` is what the store says of the active
path, read again after each change of the tree. A chat begins to exist in the store with its
first message or draft; one that was left without a word of the person's is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from yuren_core.errors import UsageError, YurenError
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.sampling_params import SamplingParams
from yuren_tui.presets import Assembly, Preset, greetings
from yuren_tui.presets.toml_files import preset_of_toml
from yuren_tui.presets.toml_text import preset_toml
from yuren_tui.session.chat_prompt import ChatPrompt
from yuren_tui.session.chat_sampling import ChatSampling
from yuren_tui.session.values import Profile, Turn
from yuren_tui.store import Deletion, Draft, Store, StoredMessage
from yuren_tui.store.chat_rows import unknown_chat
from yuren_tui.store.messages import ACTIVE_LEAF, ActiveLeaf
from yuren_tui.store.titles import title_from

NO_PRESET = Preset("none")


class StoredChat:
    """One chat.

    Args:
        store: gives the store; called when it is first needed.
        profile: who talks.
        preset: who the model is to be; None for nobody in particular.
        sampling: how answers are drawn, before what the preset says of it.
        fixed_sampling: what of that no preset may change, by the names of `SamplingParams`.
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
        self._store = store
        self._fixed_sampling = fixed_sampling
        self.profile = profile
        self.turns: list[Turn] = []
        self.title = ""
        self.draft = Draft()
        self.system_draft: str | None = None
        self.scroll: float | None = None
        self.model_name = ""
        self._id: int | None = None
        self._extras: dict[str, Any] = {}
        self._has_spoken = False
        self._sampling = ChatSampling(sampling)
        self._take_preset(preset or NO_PRESET, sampling)

    # ------------------------------------------------------------ what it is

    @property
    def id(self) -> int | None:
        """The chat's number; None while nothing of it is in the store."""
        return self._id

    @property
    def preset(self) -> Preset:
        """Who the model is to be, as it was when it was chosen."""
        return self._preset

    @property
    def system_prompt(self) -> str:
        """What the model is told first, macros still in it."""
        return self._system_prompt

    @system_prompt.setter
    def system_prompt(self, text: str) -> None:
        self._system_prompt = text
        if self._id is not None:
            self._store().chats.update(self._id, system_prompt=text)

    @property
    def sampling(self) -> ChatSampling:
        """How answers are drawn, and what of it was typed here."""
        return self._sampling

    @sampling.setter
    def sampling(self, sampling: ChatSampling) -> None:
        self._sampling = sampling
        self._extras = sampling.extras(self._extras)
        if self._id is not None:
            self._store().chats.update(self._id, sampling=sampling.params, extras=self._extras)

    @property
    def speaker(self) -> str:
        """The character's name; empty where nobody is played."""
        text = self._preset.text(self.profile.language)
        return text.char if text.is_character else ""

    @property
    def has_spoken(self) -> bool:
        """Whether the person has said something, as far as it was seen here."""
        return self._has_spoken or any(turn.role is Role.USER for turn in self.turns)

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
                preset=_snapshot(preset),
                system_prompt=self._system_prompt,
                sampling=self._sampling.params,
            )
        elif not self.turns:
            self.greet()

    def _take_preset(self, preset: Preset, base: SamplingParams) -> None:
        self._preset = preset
        self._system_prompt = preset.text(self.profile.language).system
        self._sampling = self._sampling.under(
            preset.sampling, base=base, fixed=self._fixed_sampling
        )

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
        self._id = chat.id
        self.draft, self.scroll = chat.draft, chat.scroll
        self.system_draft = chat.system_draft
        self._extras = dict(chat.extras)
        self._preset = preset_of(chat.preset)
        self._system_prompt = chat.system_prompt
        self._sampling = ChatSampling.of(chat.sampling or self._sampling.params, self._extras)
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

    def rename(self, title: str) -> None:
        """Give the chat a title that no rule replaces; an empty one hands the naming back."""
        self._store().chats.rename(self.require_id(), title)
        self.title = self._store().chats.get(self.require_id()).title

    def reload(self) -> None:
        """Read the active path from the store again."""
        if self._id is None:
            self.turns = []
            return
        self.turns = [Turn.of(stored) for stored in self._store().messages.path(self._id)]
        self.title = self._store().chats.get(self._id).title

    def require_id(self) -> int:
        """The chat's number; the chat is put into the store where it is not there yet."""
        if self._id is None:
            chat = self._store().chats.create(
                model=self.model_name,
                system_prompt=self._system_prompt,
                sampling=self._sampling.params,
                preset=_snapshot(self._preset),
                extras=self._extras,
            )
            self._id = chat.id
        return self._id

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

    # ------------------------------------------------------------ the tree

    def turn(self, turn_id: int) -> Turn:
        """A turn of the path that is shown, by its id."""
        return next(turn for turn in self.turns if turn.id == turn_id)

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

    # ------------------------------------------------------------ draft and place

    def save_draft(self, text: str, images: Sequence[ImagePart]) -> None:
        """Keep what is unsent."""
        draft = Draft(text, tuple(images))
        if draft == self.draft:
            return
        self.draft = draft
        if self._id is not None or draft:
            self._store().chats.save_draft(self.require_id(), draft)

    def save_system_draft(self, text: str | None) -> None:
        """Keep an edit of the system prompt that is not saved; None where there is none."""
        if text == self.system_draft:
            return
        self.system_draft = text
        if self._id is not None or text is not None:
            self._store().chats.update(self.require_id(), system_draft=text)

    def save_scroll(self, scroll: float | None) -> None:
        """Keep where the transcript stands; None for its end."""
        if self._id is not None and scroll != self.scroll:
            self.scroll = scroll
            self._store().chats.save_scroll(self._id, scroll)

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


def _snapshot(preset: Preset) -> dict[str, Any] | None:
    if preset == NO_PRESET:
        return None
    return {"id": preset.id, "toml": preset_toml(preset)}


def preset_of(snapshot: Mapping[str, Any] | None) -> Preset:
    """The preset that a chat was begun with; a bare one where the snapshot cannot be read."""
    snapshot = snapshot or {}
    name, text = snapshot.get("id"), snapshot.get("toml")
    if not isinstance(name, str) or not isinstance(text, str):
        return NO_PRESET
    try:
        return preset_of_toml(text, Path(f"{name}.toml"))
    except YurenError:
        return NO_PRESET


def _active_at(extras: Mapping[str, Any]) -> dict[str, int]:
    kept = extras.get("lore")
    return kept if isinstance(kept, dict) else {}
