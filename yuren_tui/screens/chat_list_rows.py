# SPDX-License-Identifier: Apache-2.0
"""A chat in the list, as lines: title and time, model and size, then where the search hit."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePath

from textual.content import Content

from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_tui.relative_time import relative_time
from yuren_tui.sanitize import sanitize_line
from yuren_tui.store import ChatHit, ChatSummary, MessageHit, Snippet

_MATCH = "$accent bold"
_DIM = "$foreground 55%"


def chat_row(
    chat: ChatSummary,
    *,
    now: datetime,
    width: int,
    hit: ChatHit | None = None,
    is_open: bool = False,
) -> Content:
    """One chat.

    Args:
        chat: which.
        now: what times are seen from.
        width: of the lines, in cells.
        hit: where the search found it; None where nothing is searched for.
        is_open: whether it is the one that one talks in.
    """
    when = relative_time(chat.updated_at, now)
    title = highlighted(hit.title) if hit and chat.title else Content(sanitize_line(chat.title))
    if not chat.title:
        title = Content.assemble((tr("store.untitled"), "italic $foreground 70%"))
    room = max(1, width - Content(when).cell_length - 2)
    title = title.stylize("bold").truncate(room, ellipsis=True)
    gap = " " * max(1, width - title.cell_length - Content(when).cell_length)
    lines = [Content.assemble(title, gap, (when, _DIM)), _about(chat, is_open).truncate(width)]
    for found in hit.hits if hit else ():
        lines.append(_message_line(found).truncate(width, ellipsis=True))
    if hit and hit.hit_count > len(hit.hits) > 0:
        more = tr("chats.more_hits", count=hit.hit_count - len(hit.hits))
        lines.append(Content.assemble((f"    {more}", _DIM)))
    return Content("\n").join(lines)


def highlighted(snippet: Snippet) -> Content:
    """A piece of text with its matches coloured; made safe piece by piece, so that they fit."""
    parts: list[str | tuple[str, str]] = []
    end = 0
    for start, stop in snippet.matches:
        parts.append(sanitize_line(snippet.text[end:start]))
        parts.append((sanitize_line(snippet.text[start:stop]), _MATCH))
        end = stop
    return Content.assemble(*parts, sanitize_line(snippet.text[end:]))


def _about(chat: ChatSummary, is_open: bool) -> Content:
    model = sanitize_line(PurePath(chat.model).name, limit=32)
    parts = [model, tr("chats.messages", count=chat.message_count), f"#{chat.id}"]
    parts += [tr("chats.draft")] if chat.has_draft else []
    parts += [tr("chats.archived")] if chat.is_archived else []
    about = Content.assemble(("  " + " · ".join(filter(None, parts)), _DIM))
    return Content.assemble(about, (f" · {tr('chats.open_now')}" if is_open else "", "$primary"))


def _message_line(found: MessageHit) -> Content:
    who = tr("chat.you") if found.role is Role.USER else tr("chat.assistant")
    colour = "$primary" if found.role is Role.USER else "$secondary"
    return Content.assemble((f"    {who}  ", colour), highlighted(found.snippet))
