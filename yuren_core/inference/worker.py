# SPDX-License-Identifier: Apache-2.0
"""The model process: `python -m yuren_core.inference.worker`, a child of the front end.

Speaks `yuren_core.protocol` over stdin and stdout, or with `--socket PATH` over a unix socket
that it connects to. A thread listens, so that a cancel is heard while an answer is written; the
main thread works, one request after the other. The real stdout belongs to the protocol alone:
what libraries print goes to stderr. Errors are said in the front end's language. When the front
end is gone, so is this process.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from yuren_core import protocol
from yuren_core.errors import ModelNotFoundError, OutOfMemoryError, YurenError
from yuren_core.i18n import tr, use_language
from yuren_core.protocol import (
    Cancel,
    Count,
    Event,
    Failed,
    Generate,
    Load,
    Loading,
    LoadStage,
    Ping,
    Request,
    Unload,
)

if TYPE_CHECKING:
    from yuren_core.inference.engine import Engine

_log = logging.getLogger("yuren.worker")
_PROGRESS_INTERVAL_S = 0.05


def main() -> None:
    """Serve until the front end closes its end."""
    parser = argparse.ArgumentParser(prog="python -m yuren_core.inference.worker")
    parser.add_argument("--socket", metavar="PATH", help="a unix socket instead of stdin/stdout")
    options = parser.parse_args()
    use_language("auto")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the front end's to handle
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    requests: BinaryIO
    events: BinaryIO
    if options.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(options.socket)
        requests, events = connection.makefile("rb"), connection.makefile("wb")
    else:
        requests, events = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whoever prints, prints to the log
    Worker(requests, events).run()


class Worker:
    """Serves one front end.

    Args:
        requests: lines from the front end.
        events: lines to the front end.
    """

    def __init__(self, requests: BinaryIO, events: BinaryIO) -> None:
        self._requests, self._events = requests, events
        self._write_lock = threading.Lock()
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._engine: Engine | None = None

    def run(self) -> None:
        """Serve until the front end is gone."""
        threading.Thread(target=self._listen, daemon=True).start()
        while (request := self._queue.get()) is not None:
            try:
                self._serve(request)
            except YurenError as error:
                _log.warning("%s: %s", error.kind, error)
                self._send(Failed(request.id, error.kind, error.message, error.hint))
            except Exception as error:  # noqa: BLE001 - the border of the process: told and logged
                _log.exception("request %s failed", request.id)
                self._send(_failure(request.id, error))
            finally:
                self._cancelled.discard(request.id)

    def _listen(self) -> None:
        """Read requests; cancels act at once. At the end of input the process ends."""
        for line in self._requests:
            try:
                request = protocol.decode_request(line)
            except YurenError as error:
                _log.error("%s", error)
                self._send(Failed(protocol.id_of(line), error.kind, error.message, error.hint))
                continue
            match request:
                case Cancel():
                    self._cancelled.add(request.id)
                case Ping():
                    self._send(protocol.Pong(request.id))
                case _:
                    self._queue.put(request)
        os._exit(0)  # at once, even out of a long load: nobody is there to hear

    def _send(self, event: Event) -> None:
        with self._write_lock:
            try:
                self._events.write(protocol.encode(event))
                self._events.flush()
            except (BrokenPipeError, ConnectionResetError):
                os._exit(0)

    def _serve(self, request: Request) -> None:
        match request:
            case Load():
                self._load(request)
            case Generate():
                self._generate(request)
            case Count():
                self._count(request)
            case Unload():
                self._unload()
                self._send(protocol.Unloaded(request.id))
            case _:
                pass

    def _load(self, request: Load) -> None:
        start = time.perf_counter()
        self._send(Loading(request.id, "imports"))
        from yuren_core.inference.engine import Engine
        from yuren_core.model.loading import load_model

        self._unload()
        progress = _Progress(self._send, request.id)
        loaded = load_model(
            request.model, load=request.load, device=request.device, progress=progress
        )
        self._engine = Engine(loaded)
        self._send(
            protocol.Ready(
                request.id,
                model=loaded.name,
                path=str(loaded.path),
                device=str(loaded.precision.device),
                dtype=loaded.precision.name,
                memory_bytes=loaded.memory_bytes,
                context_length=loaded.context_length,
                image_tokens=loaded.image_cost,
                load_s=time.perf_counter() - start,
                sampling=loaded.sampling,
            )
        )

    def _generate(self, request: Generate) -> None:
        for event in self._loaded().generate(
            request.prompt,
            request.sampling,
            request_id=request.id,
            is_cancelled=lambda: request.id in self._cancelled,
        ):
            self._send(event)

    def _count(self, request: Count) -> None:
        engine = self._loaded()
        self._send(engine.count(request.prompt, request.sampling, request_id=request.id))

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise ModelNotFoundError(tr("error.answer.no_model"))
        return self._engine

    def _unload(self) -> None:
        if self._engine is None:
            return
        self._engine = None
        import gc

        import torch

        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class _Progress:
    """Passes load progress on, not oftener than a screen can show it."""

    def __init__(self, send: Callable[[Event], None], request_id: int) -> None:
        self._send = send
        self._id = request_id
        self._stage: LoadStage | None = None
        self._time = 0.0

    def __call__(self, stage: LoadStage, fraction: float | None) -> None:
        now = time.monotonic()
        if stage == self._stage and now - self._time < _PROGRESS_INTERVAL_S and fraction != 1:
            return
        self._stage, self._time = stage, now
        self._send(Loading(self._id, stage, fraction))


def _failure(request_id: int, error: Exception) -> Failed:
    """An unforeseen error as an event; memory that ran out is told as such."""
    text = str(error)
    if isinstance(error, MemoryError) or any(
        sign in text for sign in ("out of memory", "can't allocate memory", "not enough memory")
    ):
        known = OutOfMemoryError(tr("error.answer.memory"), tr("error.answer.memory_hint"))
        return Failed(request_id, known.kind, known.message, known.hint)
    reason = text.splitlines()[0] if text else tr("error.answer.no_reason")
    return Failed(
        request_id,
        "InternalError",
        tr("error.answer.unforeseen", kind=type(error).__name__, reason=reason),
        tr("error.answer.unforeseen_hint"),
    )


if __name__ == "__main__":
    main()
