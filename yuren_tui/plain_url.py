# SPDX-License-Identifier: Apache-2.0
"""A picture from the web in a conversation of lines: shown where it leads, asked, then fetched.

Only a person at a terminal can agree, and only to what stands there: what was typed before the
question is thrown away. Without a terminal nothing is asked of any server.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart
from yuren_tui.diagnostics import tell
from yuren_tui.plain_typing import QuietTerminal
from yuren_tui.sanitize import sanitize_line
from yuren_tui.store import Store
from yuren_tui.url_picture import Lead, look, take

_YES = ("y", "yes", "是", "好")


async def picture_of_url(url: str, store: Store, terminal: QuietTerminal) -> ImagePart | None:
    """The picture, kept in the store; None where the person does not want it.

    Raises:
        UsageError: nobody can be asked.
        ImageError, StorageError: it cannot be had.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(tr("url.nobody"), tr("url.nobody_remedy"))
    tell(tr("url.looking"))
    lead = await asyncio.to_thread(look, url)
    for line in _lines(lead):
        tell(line)
    if not _agrees(terminal):
        tell(tr("url.not_taken"))
        return None
    tell(tr("url.fetching", host=lead.host))
    data, name = await asyncio.to_thread(take, lead)
    return store.pictures.keep_bytes(data, name=name)


def _lines(lead: Lead) -> Iterator[str]:
    yield f"{tr('url.host')} {lead.host}"
    for before in lead.redirects:
        yield f"{tr('url.through')} {sanitize_line(before, limit=200)}"
    yield sanitize_line(lead.url, limit=300)
    size = lead.size_bytes
    kind = sanitize_line(lead.media_type, limit=60) or tr("url.unknown_kind")
    yield f"{kind} · {tr('url.unknown_size') if size is None else f'{size / 1024:.0f} KiB'}"


def _agrees(terminal: QuietTerminal) -> bool:
    """Ask; Ctrl+C, Ctrl+D and everything that is not yes are a no. No event loop runs meanwhile."""
    with suppress(ImportError):
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with terminal.echoing():
            sys.stderr.write(f"{tr('url.ask')} {tr('url.yes_or_no')} ")
            sys.stderr.flush()
            return sys.stdin.readline().strip().lower() in _YES
    except KeyboardInterrupt:
        tell("")
        return False
    finally:
        signal.signal(signal.SIGINT, before)
