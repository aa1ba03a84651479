# SPDX-License-Identifier: Apache-2.0
"""Which chat is open: a new one, one of the store, one with another preset.

Presets are imported when they are first needed, after the first frame of the screen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.sampling_params import SamplingParams
from yuren_tui.session.lazy_store import LazyStore
from yuren_tui.session.model_link import ModelLink
from yuren_tui.session.values import Profile, Turn

if TYPE_CHECKING:
    from yuren_tui.presets import Preset
    from yuren_tui.session.chat_sampling import Origin
    from yuren_tui.session.stored_chat import StoredChat
    from yuren_tui.store import Store


class OpenChat:
    """The chat that is open, and how another one is.

    Args:
        link: the model that chats are with.
        store: as `LazyStore`.
        profile: who talks.
        preset: who the model is to be in new chats, or what finds it when it is first needed.
        system_prompt: in place of the preset's; None for the preset's own.
        sampling: how answers are drawn, before what a preset says of it.
        fixed_sampling: what of that no preset may change, by the names of `SamplingParams`.
    """

    def __init__(
        self,
        link: ModelLink,
        *,
        store: Store | Callable[[], Store] | None,
        profile: Profile,
        preset: Preset | Callable[[], Preset] | None,
        system_prompt: str | None,
        sampling: SamplingParams,
        fixed_sampling: Mapping[str, Any],
    ) -> None:
        self.link = link
        self.profile = self.base_profile = profile
        self.base_sampling = sampling
        self.is_answering = False
        self._lazy_store = LazyStore(store)
        self._given_preset = preset
        self._given_system_prompt = system_prompt
        self._fixed_sampling = fixed_sampling
        self._chat: StoredChat | None = None

    @property
    def store(self) -> Store:
        """Where chats are kept; opened when it is first needed.

        Raises:
            StorageError: it cannot be opened.
        """
        return self._lazy_store.get()

    @property
    def chat(self) -> StoredChat:
        """The chat that is open."""
        if self._chat is None:
            self._chat = self._blank()
        return self._chat

    @property
    def preset(self) -> Preset | None:
        """Who the model is to be in new chats; None for nobody in particular.

        Raises:
            YurenError: it cannot be read.
        """
        if callable(self._given_preset):
            self._given_preset = self._given_preset()
        return self._given_preset

    @property
    def turns(self) -> list[Turn]:
        """The path of the chat that is shown."""
        return self._chat.turns if self._chat else []

    @property
    def system_prompt(self) -> str:
        """What the model is told first in this chat."""
        return self.chat.system_prompt

    @system_prompt.setter
    def system_prompt(self, text: str) -> None:
        self.chat.system_prompt = text

    @property
    def sampling(self) -> SamplingParams:
        """How answers of this chat are drawn; what is changed here is typed by the person."""
        return self._chat.sampling.advised(self.link.advice) if self._chat else self.base_sampling

    @sampling.setter
    def sampling(self, sampling: SamplingParams) -> None:
        self.chat.sampling = self.chat.sampling.changed_to(sampling, advice=self.link.advice)

    def type_sampling(self, **values: Any) -> None:
        """The person says how answers of this chat are drawn; no preset takes it back.

        Args:
            values: by the names of `SamplingParams`.

        Raises:
            UsageError: a value that cannot be.
        """
        self.chat.sampling = self.chat.sampling.typing(**values)

    def sampling_origin(self, name: str) -> Origin:
        """Who says one of the values of `sampling`, by its name."""
        return self.chat.sampling.origin(name, self.link.advice)

    @property
    def untyped_sampling(self) -> SamplingParams:
        """How answers would be drawn had the person typed nothing in this chat."""
        return self.chat.untyped_sampling(self.base_sampling).advised(self.link.advice)

    def forget_typed_sampling(self, *names: str) -> None:
        """Let preset, settings and model decide again how answers of this chat are drawn.

        Args:
            names: of those of `SamplingParams` that they decide; all where none is named.
        """
        self.chat.sampling = self.chat.untyped_sampling(self.base_sampling, *names)

    # ------------------------------------------------------------ another one

    def new_chat(self, preset: Preset | None = None) -> None:
        """Begin anew with the same model.

        Args:
            preset: who the model is to be, from now on; None for the same as before. Where the
                person has not spoken yet, what they typed of sampling holds with it.

        Raises:
            UsageError: an answer is still being written.
        """
        self.require_rest()
        typed: dict[str, Any] = {}
        if preset is not None:
            self._given_preset, self._given_system_prompt = preset, None
            if self._chat is not None and not self._chat.has_spoken:
                typed = self._chat.sampling.typed_values
        self._leave()
        self._chat = self._blank()
        self._chat.sampling = self._chat.sampling.typing(**typed)
        self._chat.greet()

    async def read_ahead(self, chat_id: int) -> None:
        """Read in a thread what takes long of a chat, so that `open_chat` does not.

        Raises:
            UsageError: there is no such chat.
        """
        from yuren_tui.session.preset_snapshot import is_long, preset_of

        snapshot = self.store.chats.preset(chat_id)
        if is_long(snapshot):
            await asyncio.to_thread(preset_of, snapshot)

    async def write_ahead(self, preset: Preset) -> None:
        """Write in a thread what takes long of a preset, so that `new_chat` and `use_preset` with
        it, and the first word of the chat, do not."""
        from yuren_tui.session.preset_snapshot import snapshot_of

        await asyncio.to_thread(snapshot_of, preset)

    def open_chat(self, chat_id: int) -> None:
        """Go on with a chat of the store.

        Raises:
            UsageError: there is no such chat, or an answer is still being written.
        """
        self.require_rest()
        chat = self._blank()
        chat.open(chat_id)
        if self._chat is not None and self._chat.id != chat_id:
            self._chat.leave()
        self._chat = chat

    def continue_last(self) -> bool:
        """Go on with the chat that was last open; False where there is none."""
        last = self.store.chats.last()
        if last is not None:
            self.open_chat(last.id)
        return last is not None

    def use_preset(self, preset: Preset) -> None:
        """Change who the model is, in this chat from here on and in new ones."""
        self.require_rest()
        self._given_preset, self._given_system_prompt = preset, None
        self.chat.use_preset(preset, self.base_sampling)

    def close(self) -> None:
        """Leave the chat and close the store."""
        self._leave()
        self._lazy_store.close()

    def _leave(self) -> None:
        if self._chat is not None:
            self._chat.leave()
            self._chat = None

    def _blank(self) -> StoredChat:
        from yuren_tui.session.stored_chat import StoredChat

        chat = StoredChat(
            lambda: self.store,
            profile=self.profile,
            preset=self.preset,
            sampling=self.base_sampling,
            fixed_sampling=self._fixed_sampling,
        )
        if self._given_system_prompt is not None:
            chat.system_prompt = self._given_system_prompt
        chat.model_name = self.link.model_name
        return chat

    def require_rest(self) -> None:
        """Refuse a change of the chat while an answer is being written.

        Raises:
            UsageError: one is.
        """
        if self.is_answering:
            raise UsageError(tr("session.busy"), tr("session.stop_first"))
