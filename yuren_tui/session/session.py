# SPDX-License-Identifier: Apache-2.0
"""Asks the model and keeps what it says: the one conductor of chat, model and store.

Both front ends, the screen and `--plain`, drive this and draw what it says. A question is in the
store before generation begins. An exchange whose answer has not a single word yet when it fails
or is stopped is taken back whole and becomes the draft again (`answering`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from yuren_core.client import ModelClient
from yuren_core.errors import ModelNotFoundError, UsageError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.protocol import Event, Exited
from yuren_core.sampling_params import SamplingParams
from yuren_tui.session.answering import write_answer
from yuren_tui.session.counting import ContextCounter
from yuren_tui.session.model_link import ModelLink
from yuren_tui.session.open_chat import OpenChat
from yuren_tui.session.values import ContextUse, ModelChoice, ModelState, Profile, Turn

if TYPE_CHECKING:
    from yuren_tui.presets import Preset
    from yuren_tui.store import Store


class Session(OpenChat):
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
        ahead: reads what takes long of that chat, when `prepare` is called.
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
        ahead: Callable[[Session], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(
            ModelLink(client),
            store=store,
            profile=profile or Profile(),
            preset=preset,
            system_prompt=system_prompt,
            sampling=sampling or SamplingParams(),
            fixed_sampling=fixed_sampling,
        )
        self._opening = opening or Session.new_chat
        self._ahead = ahead
        self._stop_asked = asyncio.Event()
        self._counter = ContextCounter()

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
    def context_used(self) -> int:
        """Tokens of the context that the conversation takes, as of the last answer."""
        for turn in reversed(self.turns):
            if turn.stats.prompt_tokens:
                return turn.stats.prompt_tokens + turn.stats.completion_tokens
        return 0

    def messages(self) -> tuple[Message, ...]:
        """The conversation as the model is told it."""
        return self.chat.assemble().messages

    async def prepare(self) -> None:
        """Do what takes long before `begin`, in a thread: imports, the store's opening, presets.

        Raises:
            YurenError: as `begin`.
        """
        await asyncio.to_thread(self._find_first)
        if self._ahead is not None:
            await self._ahead(self)

    def begin(self) -> tuple[str, ...]:
        """Show the first chat: the one that was asked for, else a new one; after the first frame.

        Returns:
            What people should be told of the store's opening, and of a preset that a new chat
            begins with, in their language.

        Raises:
            YurenError: there is no such chat, or the preset or the store cannot be read.
        """
        self._opening(self)
        if self.chat.has_spoken:
            return self.store.notices
        from yuren_tui.presets import unknown_in, unknown_macros, warning_of

        chat = self.chat
        unknown = unknown_in(chat.preset, chat.profile.language)
        unknown = tuple(dict.fromkeys((*unknown_macros(chat.system_prompt), *unknown)))
        return (*self.store.notices, *filter(None, [warning_of(unknown)]))

    # ------------------------------------------------------------ asking

    async def load(self, choice: ModelChoice) -> AsyncGenerator[Event, None]:
        """Load a model; events and state as `ModelLink.load`."""
        async for event in self.link.load(choice):
            if self._chat is not None:
                self._chat.model_name = self.link.model_name
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
        """Ask otherwise, in a new branch; events as `send`. Where nothing comes, none is left.

        Args:
            turn_id: a message of the person's.
            text: the new words.
            images: the new pictures; the old ones where None.
        """
        kept = self.chat.turn(turn_id).images if images is None else tuple(images)
        self.check_sendable(text, kept)
        shown = self.turns[-1].id
        answer = self.chat.ask_otherwise(turn_id, text, images)
        question = self.turns[-2]
        async with aclosing(self._answer(answer, question, instead_of=shown)) as events:
            async for event in events:
                yield event

    async def retry(self, turn_id: int) -> AsyncGenerator[Event, None]:
        """Answer again, in a new branch: an answer, or a person's message; events as `send`.

        Where not a word comes, no branch is left, and what was shown before is shown again.
        """
        self._check_ready_to_answer(self.chat.images)
        shown = self.turns[-1].id
        answer = self.chat.answer_again(turn_id)
        async with aclosing(self._answer(answer, None, instead_of=shown)) as events:
            async for event in events:
                yield event

    async def resume(self, turn_id: int) -> AsyncGenerator[Event, None]:
        """Write a cut answer on, in a new branch; events as `send`.

        Where the model has not a word to add, no branch is left, and what was shown before is
        shown again.
        """
        self._check_ready_to_answer(self.chat.images)
        shown = self.turns[-1].id
        answer = self.chat.continue_answer(turn_id)
        async with aclosing(self._answer(answer, None, instead_of=shown)) as events:
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

    def _find_first(self) -> None:
        from yuren_tui.session.preset_snapshot import snapshot_of

        assert self.store is not None
        if self.preset is not None:
            snapshot_of(self.preset)

    async def _answer(
        self, answer: Turn, question: Turn | None, *, instead_of: int | None = None
    ) -> AsyncGenerator[Event, None]:
        """Generate into `answer`.

        Args:
            answer: the turn.
            question: what is taken back with it, if it is new.
            instead_of: the end of the path that was shown before, which comes back where the
                answer is taken back.
        """
        self.is_answering = True
        self._stop_asked.clear()
        try:
            stream = write_answer(
                answer, question, chat=self.chat, link=self.link, stop=self._stop_asked
            )
            async with aclosing(stream) as events:
                async for event in events:
                    yield event
        finally:
            self.is_answering = False
            if instead_of is not None and all(turn.id != answer.id for turn in self.turns):
                self.chat.select(instead_of)

    def _check_ready_to_answer(self, images: Sequence[ImagePart]) -> None:
        self.require_rest()
        if self.choice is None:
            raise ModelNotFoundError(tr("session.no_model"), tr("session.install_starter"))
        self.link.check_sight(images)
