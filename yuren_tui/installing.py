# SPDX-License-Identifier: Apache-2.0
"""The starter model's installation, in a thread, with its progress as words.

Whoever stops waiting stops it: what is being made is removed, what has been fetched stays.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

from yuren_core.i18n import tr

if TYPE_CHECKING:
    from yuren_core.starter import StarterProgress


def starter_path() -> Path:
    """Where the starter model is, or will be."""
    from yuren_core.starter import starter_dir

    return starter_dir()


async def install_starter() -> AsyncGenerator[str, None]:
    """Install the starter model.

    Yields:
        How far it is, in words.

    Raises:
        YurenError: the network failed, no space is left, or what came was damaged.
    """
    from yuren_core import starter

    loop = asyncio.get_running_loop()
    steps: asyncio.Queue[str | None] = asyncio.Queue()
    is_left = threading.Event()

    def progress(step: StarterProgress) -> None:
        if is_left.is_set():
            raise _Left
        loop.call_soon_threadsafe(steps.put_nowait, _words(step))

    work = loop.run_in_executor(None, lambda: starter.install_starter(progress))
    work.add_done_callback(lambda _: steps.put_nowait(None))
    try:
        while (step := await steps.get()) is not None:
            yield step
        await work
    finally:
        is_left.set()
        work.add_done_callback(_look_at)


class _Left(Exception):
    """Ends the thread: nobody waits any more."""


def _look_at(work: asyncio.Future[Path]) -> None:
    """Nobody waits for it; what became of it is nobody's."""
    if not work.cancelled():
        work.exception()


def _words(step: StarterProgress) -> str:
    words = tr(f"starter.stage_{step.stage}")
    if step.done_bytes is not None and step.total_bytes:
        return f"{words}  {step.done_bytes / 1e6:.0f}/{step.total_bytes / 1e6:.0f} MB"
    return words if step.fraction is None else f"{words}  {step.fraction:.0%}"
