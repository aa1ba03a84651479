# SPDX-License-Identifier: Apache-2.0
"""Markdown out of a model: streamed cheaply, raw HTML shown as text, Chinese emphasis right.

Only what is safe to show is given in (`yuren_tui.sanitize`). Links are not opened by the widget.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache

from markdown_it import MarkdownIt
from mdit_py_cjk_friendly import cjk_friendly
from textual.widgets import Markdown

from yuren_tui.widgets.shown_markdown import always_shown, begins_code

_SHORTEST_WAIT_S = 0.04  # 25 frames a second
_WAIT_PER_COST = 2.0  # at most a third of the time goes into drawing
_LONGEST_DRAWING_S = 0.5


def parser(grows: Callable[[], bool] = bool) -> MarkdownIt:
    """Markdown as models write it; HTML stays text, and nothing is drawn as nothing.

    Args:
        grows: whether more of the text is to come; never, by default.
    """
    return MarkdownIt("gfm-like", {"html": False}).use(cjk_friendly).use(always_shown, grows)


_reader = cache(parser)
_MAY_BEGIN_CODE = re.compile(r"(?:`{3}|~{3})[^\n]*\Z")
_MARKED = re.compile(r"[*_`#>\[\]~|<&\\=]|^\s*(?:[-+]|\d+[.)])", re.MULTILINE)


@lru_cache(maxsize=4096)
def plain_words(text: str) -> str:
    """The words of a Markdown text on one line, without its marks but for those of lists."""
    if not _MARKED.search(text):
        return " ".join(text.split())
    pieces: list[str] = []
    for token in _reader().parse(text):
        if token.type == "list_item_open":
            pieces.append(f"{token.info}{token.markup} " if token.info else "• ")
        for part in token.children or [token]:
            is_break = part.type in ("softbreak", "hardbreak")
            pieces.append(" " if is_break else part.content)
        pieces.append(" " if token.block else "")
    return " ".join("".join(pieces).split())


class StreamedMarkdown(Markdown):
    """Markdown that grows. Pieces are gathered, so that drawing never takes over the loop."""

    def __init__(self) -> None:
        super().__init__(parser_factory=lambda: parser(self._grows), open_links=False)
        self._pending: list[str] = []
        self._wake = asyncio.Event()
        self._is_closed = False

    def write(self, piece: str) -> None:
        """Add a piece; it is drawn soon."""
        self._pending.append(piece)
        self._wake.set()

    def close(self) -> None:
        """No more comes; `pump` ends once all is drawn."""
        self._is_closed = True
        self._wake.set()

    async def pump(self) -> None:
        """Draw what is written until `close`; run as a worker."""
        while not (self._is_closed and not self._pending):
            await self._wake.wait()
            self._wake.clear()
            if self._pending:
                piece = "".join(self._pending)
                self._pending.clear()
                start = time.perf_counter()
                await self.append(piece)
                await self._drawn()
                cost = time.perf_counter() - start
                if not self._is_closed:
                    await asyncio.sleep(max(_SHORTEST_WAIT_S, _WAIT_PER_COST * cost))
        source = self.source.strip("\n")
        if _MAY_BEGIN_CODE.search(source):
            tokens = parser(lambda: True).parse(source)
            if begins_code(tokens, source):
                await self.update(self.source)  # no line of it will come

    def _grows(self) -> bool:
        return not self._is_closed

    async def _drawn(self) -> None:
        """Wait until what was appended is laid out and painted, which costs the most."""
        drawn = asyncio.Event()
        self.call_after_refresh(drawn.set)
        with suppress(TimeoutError):
            await asyncio.wait_for(drawn.wait(), _LONGEST_DRAWING_S)
