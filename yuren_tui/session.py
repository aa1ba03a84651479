# SPDX-License-Identifier: Apache-2.0
"""One chat's state machine: turns, the model's state, and what may happen next. No textual.

Both front ends, the screen and `--plain`, drive this and draw what it says. Every event of the
model process is applied here first and then handed on. An exchange whose answer has not a single
word yet when it fails or is stopped is taken back whole, so that the front end can restore what
was typed; an answer that has words stands, whatever happens to the process.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal

from yuren_core.client import ModelClient
from yuren_core.errors import ModelNotFoundError, NoVisionTowerError, UsageError
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.prompt import prompt_items
from yuren_core.protocol import (
    Cancelled,
    Completed,
    Delta,
    Device,
    Event,
    Exited,
    Failed,
    Loading,
    LoadMode,
    Prompt,
    Ready,
)
from yuren_core.sampling_params import SamplingParams
from yuren_tui.i18n import tr

Phase = Literal["absent", "loading", "ready", "failed", "dead"]
TurnStatus = Literal["writing", "done", "length", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model, and how it is to be loaded."""

    model: str
    load: LoadMode = "auto"
    device: Device = "auto"


@dataclass(frozen=True, slots=True)
class ModelState:
    """Where the model stands. `ready` is known from the first load on, until another choice."""

    phase: Phase = "absent"
    loading: Loading | None = None
    ready: Ready | None = None
    failure: Failed | Exited | None = None


@dataclass(frozen=True, slots=True)
class TurnStats:
    """Counts of one answer, in tokens; seconds to the first token; tokens a second."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    dropped_turns: int = 0
    completion_tokens: int = 0
    ttft_s: float = 0.0
    tokens_per_s: float = 0.0


@dataclass(slots=True)
class Turn:
    """One message in the transcript. A user's is "done" from the start."""

    id: int
    role: Role
    text: str
    images: tuple[ImagePart, ...] = ()
    status: TurnStatus = "done"
    stats: TurnStats = field(default_factory=TurnStats)

    @property
    def message(self) -> Message:
        """The turn as the model is told it."""
        return Message.of(self.role, self.text, self.images)


class Session:
    """One conversation with one model.

    Args:
        client: the model process; not started yet.
        system_prompt: what the model is told first; empty for nothing.
        sampling: how answers are drawn; may be replaced at any time between answers.
    """

    def __init__(
        self,
        client: ModelClient,
        *,
        system_prompt: str = "",
        sampling: SamplingParams | None = None,
    ) -> None:
        self.client = client
        self.system_prompt = system_prompt
        self.sampling = sampling or SamplingParams()
        self.turns: list[Turn] = []
        self.model = ModelState()
        self.choice: ModelChoice | None = None
        self.is_answering = False
        self._stop_asked = asyncio.Event()
        self._load_done = asyncio.Event()
        self._ids = itertools.count(1)

    # ------------------------------------------------------------ the model

    async def load(self, choice: ModelChoice) -> AsyncGenerator[Event, None]:
        """Start the model process where none runs, and load a model.

        Yields:
            `Loading`, then `Ready`, `Failed` or `Exited`; `self.model` is up to date at each.
        """
        if self.choice != choice:
            self.model = ModelState()
        self.choice = choice
        self.model = replace(self.model, phase="loading", loading=None, failure=None)
        self._load_done.clear()
        try:
            await self.client.start()
            stream = self.client.load(choice.model, load=choice.load, device=choice.device)
            async for event in stream:
                self._apply_load(event)
                yield event
        finally:
            if self.model.phase == "loading":
                self.model = replace(self.model, phase="failed")
            self._load_done.set()

    def _apply_load(self, event: Event) -> None:
        match event:
            case Loading():
                self.model = replace(self.model, loading=event)
            case Ready():
                self.model = ModelState(phase="ready", ready=event)
            case Failed():
                self.model = replace(self.model, phase="failed", failure=event)
            case Exited():
                self.model = replace(self.model, phase="dead", failure=event)
            case _:
                pass

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
        self.model = replace(self.model, phase="dead", failure=event)
        return event

    # ------------------------------------------------------------ turns

    def messages(self) -> tuple[Message, ...]:
        """The conversation as the model is told it, system prompt first, open answer left out."""
        told = [turn.message for turn in self.turns if turn.status != "writing"]
        if self.system_prompt:
            told.insert(0, Message.of(Role.SYSTEM, self.system_prompt))
        return tuple(told)

    @property
    def context_used(self) -> int:
        """Tokens of the context that the conversation takes, as of the last answer."""
        for turn in reversed(self.turns):
            if turn.stats.prompt_tokens:
                return turn.stats.prompt_tokens + turn.stats.completion_tokens
        return 0

    def check_sendable(self, text: str, images: Sequence[ImagePart]) -> None:
        """Refuse what cannot be sent, before anything changes.

        Raises:
            UsageError: nothing to send, or an answer is still being written.
            ModelNotFoundError: no model has been chosen.
            NoVisionTowerError: a picture, and the loaded model cannot see.
        """
        if not text.strip() and not images:
            raise UsageError(tr("session.nothing_to_send"), tr("session.write_something"))
        if self.is_answering:
            raise UsageError(tr("session.busy"), tr("session.stop_first"))
        if self.choice is None:
            raise ModelNotFoundError(tr("session.no_model"), tr("session.install_starter"))
        self._check_sight(images)

    def _check_sight(self, images: Sequence[ImagePart]) -> None:
        ready = self.model.ready
        if ready is not None and images and not ready.image_tokens:
            raise NoVisionTowerError(
                tr("session.blind_model", model=ready.model), tr("session.blind_remedy")
            )

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
            answer has words.

        Raises:
            UsageError, ModelNotFoundError, NoVisionTowerError: as `check_sendable`.
        """
        self.check_sendable(text, images)
        if images and not text.strip():
            text = tr(
                "session.describe_pictures" if len(images) > 1 else "session.describe_picture"
            )
        question = Turn(next(self._ids), Role.USER, text, tuple(images))
        answer = Turn(next(self._ids), Role.ASSISTANT, "", status="writing")
        self.turns += [question, answer]
        self.is_answering = True
        self._stop_asked.clear()
        try:
            async for event in self._make_ready():
                yield event
            if self._stop_asked.is_set():
                yield Cancelled(0, 0, 0.0, 0.0)
                return
            self._check_sight(images)
            if self.model.phase != "ready":
                if self.model.failure is not None:
                    yield self.model.failure
                return
            async with aclosing(
                self.client.generate(prompt_items(self.messages()), self.sampling)
            ) as stream:
                async for event in stream:
                    self._apply_answer(answer, event)
                    yield event
        finally:
            self.is_answering = False
            self._settle(question, answer)

    async def _make_ready(self) -> AsyncGenerator[Event, None]:
        if self.model.phase == "loading":
            waits = [asyncio.ensure_future(e.wait()) for e in (self._load_done, self._stop_asked)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        if self._stop_asked.is_set():
            return
        if self.model.phase in ("dead", "failed") or not self.client.is_running:
            assert self.choice is not None
            async for event in self.load(self.choice):
                yield event

    def _apply_answer(self, answer: Turn, event: Event) -> None:
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
                self.model = replace(self.model, phase="dead", failure=event)
            case _:
                pass

    def _settle(self, question: Turn, answer: Turn) -> None:
        """Give the answer its last status; take a wordless exchange back."""
        if answer.status == "writing":
            answer.status = "failed"
        if not answer.text and answer.status in ("failed", "stopped"):
            self.turns.remove(question)
            self.turns.remove(answer)

    async def stop(self) -> None:
        """Stop the answer; what has been written stands."""
        self._stop_asked.set()
        await self.client.cancel()

    def new_chat(self) -> None:
        """Begin anew with the same model, system prompt and sampling.

        Raises:
            UsageError: an answer is still being written.
        """
        if self.is_answering:
            raise UsageError(tr("session.busy"), tr("session.stop_first"))
        self.turns.clear()
