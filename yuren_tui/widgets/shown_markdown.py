# SPDX-License-Identifier: Apache-2.0
"""Markdown of which something is always to be seen.

Textual draws an empty list item, quotation or heading as nothing, and so would an answer of
nothing else be. Such a text is shown as it was written; an empty item beside others keeps its
mark. Works on what the parser has made, so that it holds for every piece of a growing answer. Of
one that still grows, a block of code that has just begun is left empty: its lines will come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_DRAWN = ("hr", "image")
_EMPTY_PAIRS = {"list_item_open": "list_item_close", "blockquote_open": "blockquote_close"}


def always_shown(parser: MarkdownIt, grows: Callable[[], bool] = bool) -> None:
    """A plugin of markdown-it.

    Args:
        parser: the parser.
        grows: whether more of the text is to come; never, by default.
    """

    def show(state: StateCore) -> None:
        written = state.src.strip("\n")
        is_seen = not written.strip() or any(map(_is_seen, state.tokens))
        if is_seen or (grows() and begins_code(state.tokens, written)):
            state.tokens = list(_filled(state.tokens))
        else:
            state.tokens = list(_paragraph(written, level=0, lines=[0, written.count("\n") + 1]))

    parser.core.ruler.push("always_shown", show)


def begins_code(tokens: list[Token], written: str) -> bool:
    """Whether a text ends in a block of code that has begun, and has no line yet.

    Args:
        tokens: of the text.
        written: the text, without line breaks around it.
    """
    fence = next((token for token in reversed(tokens) if token.type == "fence"), None)
    if fence is None or fence.content.strip():
        return False
    lines = written.split("\n")
    last, mark = lines[-1].strip(), fence.markup
    is_closed = len(lines) > 1 and last.startswith(mark) and not last.strip(mark[0])
    return not is_closed and mark in lines[-1]


def _is_seen(token: Token) -> bool:
    if token.type in _DRAWN:
        return True
    if token.children is not None:
        return any(map(_is_seen, token.children))
    return any(char.isprintable() and not char.isspace() for char in token.content)


def _filled(tokens: list[Token]) -> Iterator[Token]:
    """With an empty paragraph in each list item and quotation that holds nothing: that is a line
    high, and the mark stands beside it."""
    for token, following in zip_longest(tokens, tokens[1:]):
        yield token
        closing = _EMPTY_PAIRS.get(token.type)
        if closing and following is not None and following.type == closing:
            yield from _paragraph("", level=token.level + 1, lines=token.map)


def _paragraph(text: str, *, level: int, lines: list[int] | None) -> Iterator[Token]:
    """A paragraph of a text as it stands, line by line."""
    words: list[Token] = []
    for place, line in enumerate(text.split("\n")):
        if place:
            words.append(Token("hardbreak", "br", 0, level=level + 1))
        words.append(Token("text", "", 0, content=line, level=level + 1))
    yield Token("paragraph_open", "p", 1, map=lines, level=level, block=True)
    yield Token(
        "inline", "", 0, map=lines, level=level + 1, children=words, content=text, block=True
    )
    yield Token("paragraph_close", "p", -1, level=level, block=True)
