# SPDX-License-Identifier: Apache-2.0
"""Where lines of Chinese and Japanese may break: between any two characters, as they are written.

Rich and Textual break at spaces alone, so that a sentence in Chinese is one word: the line before
it is left short, and a comma may begin the next. Here such a word is handed to them in pieces, at
the places where a break may be: beside an ideograph, but not before what closes and not after
what opens. Words of other scripts stay whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_WIDE = (
    "\u2e80-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f"
    "\uff01-\uff60\uffe0-\uffe6\U00020000-\U0003ffff"
)
"""Ideographs, kana, Bopomofo and their punctuation. Korean is written with spaces."""

_OPENING = "（［｛《〈「『【〔〖〝“‘$￥\\(\\[{"
_CLOSING = (
    "）］｝》〉」』】〕〗〞”’，。、；：？！．·・ー々〻ゝゞぁぃぅぇぉっゃゅょァィゥェォッャュョ％‰℃"
    "\\)\\]},.;:?!%\u0300-\u036f\u3099\u309a\ufe00-\ufe0f\u200d\U000e0100-\U000e01ef"
)
_HERE = rf"(?<![{_OPENING}\s])(?![{_CLOSING}\s])"
_BREAK = re.compile(rf"(?<=[{_WIDE}]){_HERE}(?!\Z)|(?=[{_WIDE}]){_HERE}(?<!\A)")
_HAS_WIDE = re.compile(f"[{_WIDE}]")

Words = Callable[[str], Iterable[tuple[int, int, str]]]
_MARK = "_yuren_words"


def install() -> bool:
    """Let Rich's and Textual's wrapping break lines so.

    Returns:
        Whether it does; False where they are built otherwise than we know, and stay as they are.
        Calling it again wraps nothing twice.
    """
    try:
        from rich import _wrap as of_rich
        from textual import _wrap as of_textual
    except ImportError:
        return False
    return _replaced(of_rich, "words") and _replaced(of_textual, "chunks")


def pieces(word: str) -> Iterator[str]:
    """A word in the pieces between which a line may break; together they are the word."""
    start = 0
    for place in _BREAK.finditer(word):
        yield word[start : place.start()]
        start = place.start()
    yield word[start:]


def _replaced(module: Any, name: str) -> bool:
    words = getattr(module, name, None)
    if words is None:
        return False
    if not hasattr(words, _MARK):
        broken = _broken(words)
        setattr(broken, _MARK, True)
        setattr(module, name, broken)
    return True


def _broken(words: Words) -> Words:
    def broken(text: str) -> Iterator[tuple[int, int, str]]:
        for start, end, word in words(text):
            if not _HAS_WIDE.search(word):
                yield start, end, word
                continue
            for piece in pieces(word):
                yield start, start + len(piece), piece
                start += len(piece)

    return broken
