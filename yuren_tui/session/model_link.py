# SPDX-License-Identifier: Apache-2.0
"""The model process and what is loaded in it: chosen, loading, ready, failed, dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path

from yuren_core.client import ModelClient
from yuren_core.errors import NoVisionTowerError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart
from yuren_core.protocol import Event, Exited, Failed, Loading, Ready
from yuren_core.sampling_params import NO_ADVICE, SamplingAdvice
from yuren_tui.session.values import ModelChoice, ModelState


class ModelLink:
    """One client and the state of its model.

    Args:
        client: the model process; not started yet.
    """

    def __init__(self, client: ModelClient) -> None:
        self.client = client
        self.state = ModelState()
        self.choice: ModelChoice | None = None
        self._load_done = asyncio.Event()

    @property
    def model_name(self) -> str:
        """The model's name, for people; empty where none has been chosen."""
        if self.state.ready is not None:
            return self.state.ready.model
        return Path(self.choice.model).name if self.choice else ""

    @property
    def advice(self) -> SamplingAdvice:
        """What the makers of the model recommend; nothing before it is ready."""
        return self.state.ready.sampling if self.state.ready else NO_ADVICE

    def check_sight(self, images: Sequence[ImagePart]) -> None:
        """Refuse pictures for a model that is known not to see.

        Raises:
            NoVisionTowerError: there are some, and it cannot.
        """
        ready = self.state.ready
        if ready is not None and images and not ready.image_tokens:
            raise NoVisionTowerError(
                tr("session.blind_model", model=ready.model), tr("session.blind_remedy")
            )

    async def load(self, choice: ModelChoice) -> AsyncGenerator[Event, None]:
        """Start the process where none runs, and load a model.

        Yields:
            `Loading`, then `Ready`, `Failed` or `Exited`; `state` is up to date at each.
        """
        if self.choice != choice:
            self.state = ModelState()
        self.choice = choice
        self.state = replace(self.state, phase="loading", loading=None, failure=None)
        self._load_done.clear()
        try:
            await self.client.start()
            stream = self.client.load(choice.model, load=choice.load, device=choice.device)
            async for event in stream:
                self._apply(event)
                yield event
        finally:
            if self.state.phase == "loading":
                self.state = replace(self.state, phase="failed")
            self._load_done.set()

    async def make_ready(self, stop: asyncio.Event) -> AsyncGenerator[Event, None]:
        """Wait for a load that is under way; load again where the process is gone.

        Args:
            stop: ends the waiting.

        Yields:
            Load events, where it had to load.
        """
        if self.state.phase == "loading":
            waits = [asyncio.ensure_future(event.wait()) for event in (self._load_done, stop)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        if stop.is_set():
            return
        if self.state.phase in ("dead", "failed") or not self.client.is_running:
            assert self.choice is not None
            async for event in self.load(self.choice):
                yield event

    def mark_dead(self, event: Exited) -> None:
        """Note that the process has gone."""
        self.state = replace(self.state, phase="dead", failure=event)

    def _apply(self, event: Event) -> None:
        match event:
            case Loading():
                self.state = replace(self.state, loading=event)
            case Ready():
                self.state = ModelState(phase="ready", ready=event)
            case Failed():
                self.state = replace(self.state, phase="failed", failure=event)
            case Exited():
                self.mark_dead(event)
            case _:
                pass
