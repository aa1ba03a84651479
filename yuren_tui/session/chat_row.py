# SPDX-License-Identifier: Apache-2.0
"""What a chat is, but for its messages: its row in the store, and the same in memory.

A chat begins to exist in the store with its first message or draft; what is changed before that is
written with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from yuren_core.messages import ImagePart
from yuren_core.sampling_params import SamplingParams
from yuren_tui.presets import Preset
from yuren_tui.session.chat_sampling import ChatSampling
from yuren_tui.session.preset_snapshot import NO_PRESET, snapshot_of
from yuren_tui.session.values import Profile
from yuren_tui.store import Chat, Draft, Store


class ChatRow:
    """One chat, all but its messages.

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
        self.title = ""
        self.draft = Draft()
        self.system_draft: str | None = None
        self.scroll: float | None = None
        self.model_name = ""
        self._id: int | None = None
        self._extras: dict[str, Any] = {}
        self._sampling = ChatSampling(sampling)
        self._take_preset(preset or NO_PRESET, sampling)

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
            self._store().chats.update(self._id, sampling=sampling.kept, extras=self._extras)

    def untyped_sampling(self, base: SamplingParams, *names: str) -> ChatSampling:
        """How answers would be drawn had the person typed nothing here.

        Args:
            base: sampling before what the preset says of it.
            names: only these have not been typed; all where none is named.
        """
        return self._sampling.untyped(
            self._preset.sampling, base=base, fixed=self._fixed_sampling, names=names
        )

    @property
    def speaker(self) -> str:
        """The character's name; empty where nobody is played."""
        text = self._preset.text(self.profile.language)
        return text.char if text.is_character else ""

    def require_id(self) -> int:
        """The chat's number; the chat is put into the store where it is not there yet."""
        if self._id is None:
            chat = self._store().chats.create(
                model=self.model_name,
                system_prompt=self._system_prompt,
                sampling=self._sampling.kept,
                preset=snapshot_of(self._preset),
                extras=self._extras,
            )
            self._id = chat.id
        return self._id

    def rename(self, title: str) -> None:
        """Give the chat a title that no rule replaces; an empty one hands the naming back."""
        self._store().chats.rename(self.require_id(), title)
        self.title = self._store().chats.title(self.require_id())

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

    # ------------------------------------------------------------ taking another

    def _take_preset(self, preset: Preset, base: SamplingParams) -> None:
        self._preset = preset
        self._system_prompt = preset.text(self.profile.language).system
        self._sampling = self._sampling.under(
            preset.sampling, base=base, fixed=self._fixed_sampling
        )

    def _take_row(self, chat: Chat, preset: Preset) -> None:
        self._id, self.title = chat.id, chat.title
        self.draft, self.scroll = chat.draft, chat.scroll
        self.system_draft = chat.system_draft
        self._extras = dict(chat.extras)
        self._preset = preset
        self._system_prompt = chat.system_prompt
        self._sampling = ChatSampling.of(
            chat.sampling or self._sampling.kept,
            self._extras,
            self._preset.sampling.told,
            fixed=self._fixed_sampling,
        )
