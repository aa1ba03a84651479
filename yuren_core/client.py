# SPDX-License-Identifier: Apache-2.0
"""The front end's end of the model process: start it, stream its events, cancel, restart.

The process is a child that speaks `yuren_core.protocol` over its stdin and stdout, its errors
in the language that is current when it starts; what it prints itself goes to a log file. A
process that dies is an event, `Exited`, for every request that was open, never an exception;
`start` then makes another. The client knows no model.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path

from yuren_core.errors import ProtocolError
from yuren_core.i18n import language_for_child
from yuren_core.paths import log_dir, storing
from yuren_core.prompt import PromptItem
from yuren_core.protocol import (
    TERMINAL_EVENTS,
    Cancel,
    Count,
    Device,
    Event,
    Exited,
    Failed,
    Generate,
    Load,
    LoadMode,
    Ping,
    Request,
    Unload,
    decode_event,
    encode,
)
from yuren_core.sampling_params import SamplingParams
from yuren_core.spinning import SPIN_COUNT, SPIN_VARIABLE

WORKER_COMMAND = (sys.executable, "-P", "-m", "yuren_core.inference.worker")
"""-P: a `torch.py` that happens to lie in the current directory is not the torch we mean."""

_LINE_LIMIT = 64 * 1024 * 1024  # bytes; asyncio refuses lines over 64 KiB otherwise
_LOG_LIMIT = 8 * 1024 * 1024  # bytes; a longer log is begun anew

_GRACE_S = 2.0  # seconds between asking the process to end and ending it


class ModelClient:
    """Talks to one model process at a time; one event loop, no threads.

    Args:
        command: what to start; the worker of this installation by default.
        log_path: where the process's own prints go.
    """

    def __init__(
        self, command: Sequence[str] = WORKER_COMMAND, *, log_path: Path | None = None
    ) -> None:
        self._command = tuple(command)
        self.log_path = log_path or log_dir() / "model.log"
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._open: dict[int, asyncio.Queue[Event]] = {}
        self._ids = itertools.count(1)
        self._lifecycle = asyncio.Lock()  # one starts or ends the process at a time

    @property
    def is_running(self) -> bool:
        """Whether there is a process that has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process and self.is_running else None

    async def start(self) -> None:
        """Start the process where none runs.

        Raises:
            StorageError: the log file cannot be written.
        """
        async with self._lifecycle:
            if not self.is_running:
                await self._start()

    def load(
        self, model: str, *, load: LoadMode = "auto", device: Device = "auto"
    ) -> AsyncGenerator[Event, None]:
        """Load a model: `Loading` events, then `Ready`, `Failed` or `Exited`."""
        return self._stream(Load(next(self._ids), model, load, device))

    def generate(
        self, prompt: Sequence[PromptItem], sampling: SamplingParams
    ) -> AsyncGenerator[Event, None]:
        """Answer: `Prompt`, `Delta`s, then `Completed`, `Cancelled`, `Failed` or `Exited`.

        Closing the iterator early cancels the generation.
        """
        return self._stream(Generate(next(self._ids), tuple(prompt), sampling))

    async def count(self, prompt: Sequence[PromptItem], sampling: SamplingParams) -> Event:
        """Ask what a prompt would cost. Returns `Counted`, `Failed` or `Exited`."""
        return await self._last(Count(next(self._ids), tuple(prompt), sampling))

    async def cancel(self) -> None:
        """Stop whatever is being generated; its stream ends with `Cancelled`."""
        for request_id in list(self._open):
            await self._send(Cancel(request_id))

    async def unload(self) -> Event:
        """Have the model's memory given back. Returns `Unloaded`, `Failed` or `Exited`."""
        return await self._last(Unload(next(self._ids)))

    async def ping(self) -> Event:
        """Returns `Pong`, or `Exited` where there is no process."""
        return await self._last(Ping(next(self._ids)))

    async def close(self) -> None:
        """End the process: politely, then firmly. Safe to call twice."""
        async with self._lifecycle:
            await self._close()

    async def _start(self) -> None:
        if self._reader is not None:
            await self._reader
        with storing(self.log_path):
            self.log_path.parent.mkdir(parents=True, exist_ok=True)
            is_long = self.log_path.exists() and self.log_path.stat().st_size > _LOG_LIMIT
            log = self.log_path.open("wb" if is_long else "ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=_LINE_LIMIT,
                env={
                    SPIN_VARIABLE: SPIN_COUNT,
                    **os.environ,
                    **language_for_child(),
                    "PYTHONUTF8": "1",
                    "PYTHONUNBUFFERED": "1",
                },
                start_new_session=True,  # Ctrl+C in the terminal is the front end's to handle
            )
        self._reader = asyncio.create_task(self._read(self._process))

    async def _close(self) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        for end in (None, process.terminate, process.kill):
            if end is not None:
                with suppress(ProcessLookupError):
                    end()
            try:
                await asyncio.wait_for(process.wait(), _GRACE_S)
                break
            except TimeoutError:
                continue
        if self._reader is not None:
            await self._reader
            self._reader = None

    async def _last(self, request: Request) -> Event:
        async for event in self._stream(request):
            last = event
        return last

    async def _stream(self, request: Request) -> AsyncGenerator[Event, None]:
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._open[request.id] = queue
        event: Event | None = None
        try:
            if not await self._send(request):
                event = self._exited(request.id)
                yield event
                return
            while not isinstance(event, TERMINAL_EVENTS):
                event = await queue.get()
                yield event
        finally:
            self._open.pop(request.id, None)
            if isinstance(request, Generate) and not isinstance(event, TERMINAL_EVENTS):
                await self._send(Cancel(request.id))

    async def _send(self, request: Request) -> bool:
        """Write a request; False where there is no process to read it."""
        process = self._process
        if process is None or process.stdin is None or not self.is_running:
            return False
        try:
            process.stdin.write(encode(request))
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                try:
                    event = decode_event(line)
                except ProtocolError as error:
                    self._fail_all(error)
                    continue
                if queue := self._open.get(event.id):
                    queue.put_nowait(event)
        except ValueError:  # a line over the limit: nothing after it can be trusted
            process.kill()
            await process.stdout.read()  # wait() would wait for the unread rest for ever
        await process.wait()
        for request_id, queue in self._open.items():
            queue.put_nowait(self._exited(request_id))

    def _fail_all(self, error: ProtocolError) -> None:
        for request_id, queue in self._open.items():
            queue.put_nowait(Failed(request_id, error.kind, error.message, error.hint))

    def _exited(self, request_id: int) -> Exited:
        returncode = self._process.returncode if self._process else None
        return Exited(request_id, returncode, str(self.log_path))
