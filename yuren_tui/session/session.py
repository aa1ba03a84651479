# SPDX-License-Identifier: Apache-2.0
"""Asks the model and keeps what it says: the one conductor of chat, model and store.

Both front ends, the screen and `--plain`, drive this and draw what it says. Every event of the
model process is applied here first and then handed on. A question is in the store before
generation begins, an answer at least twice a second. An exchange whose answer has not a single
word yet when it fails or is stopped is taken back whole and becomes the draft again; an answer
that has words stands, whatever happens to the process.

Store and presets are imported when they are first needed, after the first frame of the screen.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from yuren_core.client import ModelClient
from yuren_core.errors import ModelNotFoundError, NoVisionTowerError, UsageError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.protocol import (
    Cancelled,
    Completed,
    Delta,
    Event,
    Exited,
    Prompt,
)
from yuren_core.sampling_params import SamplingParams
from yuren_tui.session.counting import ContextCounter
from yuren_tui.session.model_link import ModelLink
from yuren_tui.session.values import ContextUse, ModelChoice, ModelState, Profile, Turn

if TYPE_CHECKING:
    from yuren_tui.presets import Preset
    from yuren_tui.session.stored_chat import StoredChat
    from yuren_tui.store import Store

_SAVE_EVERY_S = 0.5


class Session:
    """One conversation at a time, with one model.

    Args:
        client: the model process; not started yet.
        store: where chats are kept: one that is open, or what opens it when it is first needed;
            None keeps them as long as this object lives.
        profile: who talks.
        preset: who the model is to be in new chats, or what finds it when it is first needed.
        system_prompt: in place of the preset's; None for the preset's own.
        sampling: how answers are drawn, before what a preset says of it.
        fixed_sampling: what of that no preset may change, by the names of `SamplingParams`.
        opening: shows the first chat, when `begin` is called; a new one by default.
    """

    def __init__(
        self,
        client: ModelClient,
        *,
        store: Store | Callable[[], Store] | None = None,
        profile: Profile | None = None,
        preset: Preset | Callable[[], Preset] | None = None,
        system_prompt: str | None = None,
        sampling: SamplingParams | None = None,
        fixed_sampling: Mapping[str, Any] = MappingProxyType({}),
        opening: Callable[[Session], None] | None = None,
    ) -> None:
        self.link = ModelLink(client)
        self.profile = profile or Profile()
        self.base_sampling = sampling or SamplingParams()
        self.is_answering = False
        self._open_store: Callable[[], Store] | None = store if callable(store) else None
        self._opened: Store | None = None if callable(store) else store
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._given_preset = preset
        self._given_system_prompt = system_prompt
        self._fixed_sampling = fixed_sampling
        self._opening = opening or Session.new_chat
        self._chat: StoredChat | None = None
        self._stop_asked = asyncio.Event()
        self._counter = ContextCounter()

    # ------------------------------------------------------------ parts

    @property
    def store(self) -> Store:
        """Where chats are kept; opened when it is first needed.

        Raises:
            StorageError: it cannot be opened.
        """
        if self._opened is None:
            if self._open_store is not None:
                self._opened = self._open_store()
            else:
                from yuren_tui.store import Store

                self._temporary = tempfile.TemporaryDirectory(prefix="yuren-")
                self._opened = Store.open(Path(self._temporary.name))
        return self._opened

    @property
    def client(self) -> ModelClient:
        """The model process."""
        return self.link.client

    @property
    def model(self) -> ModelState:
        """Where the model stands."""
        return self.link.state

    @property
    def choice(self) -> ModelChoice | None:
        """Which model was chosen."""
        return self.link.choice

    @choice.setter
    def choice(self, choice: ModelChoice | None) -> None:
        self.link.choice = choice

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
        return self._chat.sampling.params if self._chat else self.base_sampling

    @sampling.setter
    def sampling(self, sampling: SamplingParams) -> None:
        self.chat.sampling = self.chat.sampling.changed_to(sampling)

    def type_sampling(self, **values: Any) -> None:
        """The person says how answers of this chat are drawn; no preset takes it back.

        Args:
            values: by the names of `SamplingParams`.

        Raises:
            UsageError: a value that cannot be.
        """
        self.chat.sampling = self.chat.sampling.typing(**values)

    @property
    def context_used(self) -> int:
        """Tokens of the context that the conversation takes, as of the last answer."""
        for turn in reversed(self.turns):
            if turn.stats.prompt_tokens:
                return turn.stats.prompt_tokens + turn.stats.completion_tokens
        return 0

    def messages(self) -> tuple[Message, ...]:
        """The conversation as the model is told it."""
        return self.chat.assemble().messages

    # ------------------------------------------------------------ chats

    def begin(self) -> tuple[str, ...]:
        """Show the first chat: the one that was asked for, else a new one; after the first frame.

        Returns:
            What people should be told of the store's opening, in their language.

        Raises:
            YurenError: there is no such chat, or the preset or the store cannot be read.
        """
        self._opening(self)
        return self.store.notices

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
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        if self._temporary is not None:
            self._temporary.cleanup()

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
        chat.model_name = self._model_name
        return chat

    @property
    def _model_name(self) -> str:
        if self.model.ready is not None:
            return self.model.ready.model
        return Path(self.choice.model).name if self.choice else ""

    # ------------------------------------------------------------ asking

    async def load(self, choice: ModelChoice) -> AsyncGenerator[Event, None]:
        """Load a model; events and state as `ModelLink.load`."""
        async for event in self.link.load(choice):
            if self._chat is not None:
                self._chat.model_name = self._model_name
            yield event

    async def check_alive(self) -> Exited | None:
        """Notice that a loaded model's process has died while nobody asked it anything.

        Returns:
            What is known of its end, once; None while all is well.
        """
        if self.model.phase != "ready" or self.is_answering or self.client.is_running:
            return None
        event = await self.client.ping()
        if not isinstance(event, Exited) or self.model.phase != "ready":
            return None
        self.link.mark_dead(event)
        return event

    def check_sendable(self, text: str, images: Sequence[ImagePart]) -> None:
        """Refuse what cannot be sent, before anything changes.

        Raises:
            UsageError: nothing to send, or an answer is still being written.
            ModelNotFoundError: no model has been chosen.
            NoVisionTowerError: a picture, and the loaded model cannot see.
        """
        if not text.strip() and not images:
            raise UsageError(tr("session.nothing_to_send"), tr("session.write_something"))
        self._check_ready_to_answer(images)

    async def send(
        self, text: str, images: Sequence[ImagePart] = ()
    ) -> AsyncGenerator[Event, None]:
        """Ask, and stream the answer into `turns[-1]`.

        Waits for a load that is under way; loads again where the process is gone. A picture
        alone asks for a description.

        Args:
            text: what the person wrote.
            images: attached pictures, in order.

        Yields:
            Load events where it had to load, then `Prompt`, `Delta`s and one terminal event.
            After `Cancelled`, `Failed` or `Exited` the exchange is still in `turns` only if the
            answer has words; otherwise `chat.draft` holds the question.

        Raises:
            UsageError, ModelNotFoundError, NoVisionTowerError: as `check_sendable`.
            ImageError: a picture cannot be read any more.
            StorageError: the disk refuses.
        """
        self.check_sendable(text, images)
        if images and not text.strip():
            text = tr(
                "session.describe_pictures" if len(images) > 1 else "session.describe_picture"
            )
        question, answer = self.chat.ask(text, images)
        async with aclosing(self._answer(answer, question)) as events:
            async for event in events:
                yield event

    async def edit(
        self, turn_id: int, text: str, images: Sequence[ImagePart] | None = None
    ) -> AsyncGenerator[Event, None]:
        """Ask otherwise, in a new branch; events as `send`.

        Args:
            turn_id: a message of the person's.
            text: the new words.
            images: the new pictures; the old ones where None.
        """
        kept = self.chat.turn(turn_id).images if images is None else tuple(images)
        self.check_sendable(text, kept)
        answer = self.chat.ask_otherwise(turn_id, text, images)
        question = self.turns[-2]
        async with aclosing(self._answer(answer, question)) as events:
            async for event in events:
                yield event

    async def retry(self, turn_id: int) -> AsyncGenerator[Event, None]:
        """Answer again, in a new branch: an answer, or a person's message; events as `send`."""
        self._check_ready_to_answer(self._images_told)
        async with aclosing(self._answer(self.chat.answer_again(turn_id), None)) as events:
            async for event in events:
                yield event

    async def resume(self, turn_id: int) -> AsyncGenerator[Event, None]:
        """Write a cut answer on, in a new branch; events as `send`.

        Where the model has not a word to add, no branch is left.
        """
        self._check_ready_to_answer(self._images_told)
        async with aclosing(self._answer(self.chat.continue_answer(turn_id), None)) as events:
            async for event in events:
                yield event

    async def stop(self) -> None:
        """Stop the answer; what has been written stands."""
        self._stop_asked.set()
        await self.client.cancel()

    async def count(self, text: str = "", images: Sequence[ImagePart] = ()) -> ContextUse | None:
        """What a message would find of the context; None where no model is ready to say.

        Args:
            text: what is typed so far; may be empty.
            images: what is attached so far.
        """
        await self._counter.wait_for_turn()
        ready = self.model.ready
        if ready is None or self.model.phase != "ready" or self.is_answering:
            return None
        if images and not ready.image_tokens:
            images = ()
        unsaid = (Message.of(Role.USER, text, images),) if text or images else ()
        return await self._counter.count(
            self.chat.prompt(unsaid=unsaid),
            turns=self.chat.told_turns(),
            client=self.client,
            sampling=self.sampling,
            context_length=ready.context_length,
        )

    async def _answer(self, answer: Turn, question: Turn | None) -> AsyncGenerator[Event, None]:
        """Generate into `answer`. `question` is what is taken back with it, if it is new."""
        began = answer.text
        self.is_answering = True
        self._stop_asked.clear()
        try:
            async for event in self.link.make_ready(self._stop_asked):
                yield event
            if self._stop_asked.is_set():
                yield Cancelled(0, 0, 0.0, 0.0)
                return
            if self.model.phase != "ready":
                if self.model.failure is not None:
                    yield self.model.failure
                return
            self._check_sight(self._images_told)
            self.chat.model_name = self._model_name
            assembly = await asyncio.to_thread(self.chat.prompt(answer).assemble)
            if self._stop_asked.is_set():
                yield Cancelled(0, 0, 0.0, 0.0)
                return
            stream = self.client.generate(assembly.items, self.sampling)
            saved = time.monotonic()
            async with aclosing(stream) as events:
                async for event in events:
                    self._apply(answer, event)
                    now = time.monotonic()
                    if now - saved > _SAVE_EVERY_S and answer.text != began:
                        saved = now
                        self.chat.save_partial(answer)
                    yield event
            self.chat.remember_lore(assembly)
        finally:
            self.is_answering = False
            self._settle(answer, question, began)

    def _apply(self, answer: Turn, event: Event) -> None:
        match event:
            case Prompt():
                answer.stats = replace(
                    answer.stats,
                    prompt_tokens=event.prompt_tokens,
                    cached_tokens=event.cached_tokens,
                    dropped_turns=event.dropped_turns,
                )
            case Delta():
                answer.text += event.text
                answer.stats = replace(answer.stats, completion_tokens=event.completion_tokens)
            case Completed() | Cancelled():
                answer.status = "stopped" if isinstance(event, Cancelled) else "done"
                if isinstance(event, Completed) and event.finish_reason == "length":
                    answer.status = "length"
                answer.stats = replace(
                    answer.stats,
                    completion_tokens=event.completion_tokens,
                    ttft_s=event.ttft_s,
                    tokens_per_s=event.tokens_per_s,
                )
            case Exited():
                self.link.mark_dead(event)
            case _:
                pass

    def _settle(self, answer: Turn, question: Turn | None, began: str) -> None:
        """Give the answer its last status in the store; take a wordless one back."""
        if answer.status == "writing":
            answer.status = "failed"
        if answer.text == began and (began or answer.status in ("failed", "stopped")):
            self.chat.take_back(answer, question)
        else:
            self.chat.finish(answer)

    # ------------------------------------------------------------ refusals

    @property
    def _images_told(self) -> tuple[ImagePart, ...]:
        return tuple(image for turn in self.turns for image in turn.images)

    def require_rest(self) -> None:
        """Refuse a change of the chat while an answer is being written.

        Raises:
            UsageError: one is.
        """
        if self.is_answering:
            raise UsageError(tr("session.busy"), tr("session.stop_first"))

    def _check_ready_to_answer(self, images: Sequence[ImagePart]) -> None:
        self.require_rest()
        if self.choice is None:
            raise ModelNotFoundError(tr("session.no_model"), tr("session.install_starter"))
        self._check_sight(images)

    def _check_sight(self, images: Sequence[ImagePart]) -> None:
        ready = self.model.ready
        if ready is not None and images and not ready.image_tokens:
            raise NoVisionTowerError(
                tr("session.blind_model", model=ready.model), tr("session.blind_remedy")
            )
