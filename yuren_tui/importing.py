# SPDX-License-Identifier: Apache-2.0
"""Takes chats in from a file while the front end goes on: in a thread, and says how far it is.

Whoever stops waiting stops the import between two chats; those that are in stay.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from yuren_core.i18n import tr

if TYPE_CHECKING:
    from yuren_tui.store import Store
    from yuren_tui.store.transfer import ImportReport

_SAY_EVERY_S = 4.0  # a line stands for five seconds on the screen


async def import_chats(store: Store, path: Path, say: Callable[[str], None]) -> ImportReport:
    """Import all chats of a file.

    Args:
        store: where they go.
        path: as `import_file`.
        say: shows a line; called at once, and every few seconds until the end.

    Returns:
        What came of it.

    Raises:
        UsageError, StorageError: as `import_file`.
    """
    from yuren_tui.store.transfer import import_file

    is_left = threading.Event()
    read = 0

    def note(count: int) -> None:
        nonlocal read
        read = count
        if is_left.is_set():
            raise _Left

    work = asyncio.create_task(asyncio.to_thread(import_file, store, path, progress=note))
    try:
        while not work.done():
            say(tr("chats.importing", name=path.name, count=read))
            await asyncio.wait([work], timeout=_SAY_EVERY_S)
    except asyncio.CancelledError:
        is_left.set()
        say(tr("chats.import_stopped", count=read))
        work.add_done_callback(_look_at)
        raise
    return work.result()


class _Left(Exception):
    """Ends the thread: nobody waits any more."""


def _look_at(work: asyncio.Task[ImportReport]) -> None:
    """Nobody waits for it; what became of it is nobody's."""
    if not work.cancelled():
        work.exception()
