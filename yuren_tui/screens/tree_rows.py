# SPDX-License-Identifier: Apache-2.0
"""The tree of a chat as lines: what is shown runs straight down, other branches stand beside it.

A conversation without branches is one column, however long. Where it parts, the alternatives stand
beside the column, joined by one line, the shown one last; what follows the others stands below
each, one step to the right, and what follows the shown one goes on in the column:

    ● You  Which city?
    ├─ ○ Rome.          1/2
    │  ○ You  Sure?
    └─ ● Paris.         2/2
    ● You  Thanks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from textual.content import Content

from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_tui.sanitize import sanitize_line
from yuren_tui.store import StoredMessage
from yuren_tui.widgets.markdown import plain_words

_READ = 240  # characters of a message
_SHOWN = 160  # and how many are drawn of its words
_DEEPEST = 12  # steps to the right; branches of branches beyond that stay in this column


@dataclass(frozen=True, slots=True)
class TreeRow:
    """One message in the drawing.

    Attributes:
        message: which.
        guide: the lines left of it.
        is_active: whether it is on the path that is shown.
        words: its first ones, on one line; of an answer without the marks of Markdown.
    """

    message: StoredMessage
    guide: str
    is_active: bool
    words: str


def tree_rows(messages: Sequence[StoredMessage], active: Collection[int]) -> list[TreeRow]:
    """A chat's messages in the order in which they are drawn.

    Args:
        messages: all of them, parents before children.
        active: ids of the path that is shown.
    """
    children: dict[int | None, list[StoredMessage]] = {}
    for message in messages:
        children.setdefault(message.parent_id, []).append(message)
    shown = set(active)
    return list(_walk(children, shown))


def _walk(children: dict[int | None, list[StoredMessage]], shown: set[int]) -> Iterator[TreeRow]:
    """Depth first, without recursion: chats are longer than Python's stack is deep."""
    # What is still to be drawn, the next one last: a message, the guide of its first line, and
    # the guide of what stands below it.
    waiting = _branches(children.get(None, []), shown, "")
    while waiting:
        message, first, below = waiting.pop()
        yield TreeRow(message, first, message.id in shown, _words(message))
        waiting += _branches(children.get(message.id, []), shown, below)


def _branches(
    siblings: list[StoredMessage], shown: set[int], guide: str
) -> list[tuple[StoredMessage, str, str]]:
    """Alternatives as they wait to be drawn, the last to be drawn first: the main one, after which
    the column goes on, after all others."""
    if not siblings:
        return []
    main = next((m for m in siblings if m.id in shown), siblings[-1])
    others = [m for m in siblings if m is not main]
    is_deep = len(guide) >= 3 * _DEEPEST
    beside, below, last = ("", "", "") if is_deep else ("├─ ", "│  ", "└─ ")
    drawn = [(m, guide + beside, guide + below) for m in others]
    return [(main, guide + last if others else guide, guide), *reversed(drawn)]


def _words(message: StoredMessage) -> str:
    text = message.text[:_READ]
    if message.role is not Role.USER:
        text = plain_words(text) or text
    return " ".join(text[:_SHOWN].split())


def row_content(row: TreeRow, width: int, model_name: str) -> Content:
    """A row as one line.

    Args:
        row: which.
        width: of the line, in cells.
        model_name: who answers where the message does not say.
    """
    message = row.message
    is_user = message.role is Role.USER
    name = tr("chat.you") if is_user else message.speaker or message.model or model_name
    words = row.words
    if not words:
        pictures = len(message.images)
        words = tr("tree.pictures", count=pictures) if pictures else tr("tree.no_words")
    ends = [f"{message.sibling_index}/{message.sibling_count}"] if message.sibling_count > 1 else []
    ends += ["◆"] if message.is_pinned else []
    end = "  ".join(ends)
    colour = "$primary" if is_user else "$secondary"
    line = Content.assemble(
        (row.guide, "$foreground 35%"),
        ("● " if row.is_active else "○ ", "$accent" if row.is_active else "$foreground 45%"),
        (f"{sanitize_line(name, limit=16) or tr('chat.assistant')}  ", colour),
        (sanitize_line(words), "$foreground" if row.is_active else "$foreground 65%"),
    )
    room = max(1, width - len(end) - (2 if end else 0))
    line = line.truncate(room, ellipsis=True)
    gap = " " * max(0, width - line.cell_length - len(end))
    return Content.assemble(line, gap, (end, "$accent"))
