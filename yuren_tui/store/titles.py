# SPDX-License-Identifier: Apache-2.0
"""A chat's title from its first exchange, by rule and at once: no model is asked.

The first sentence of what the person wrote, without Markdown, trimmed to a width in terminal
cells. Where that says nothing (a greeting, a picture alone), the first sentence of the answer.
"""

from __future__ import annotations

import re
import unicodedata

DEFAULT_WIDTH = 40
"""Cells; 20 Chinese characters."""

_LOOKED_AT = 4_000
_FENCE = re.compile(r"^(```+|~~~+).*?(?:^\1[`~]*\s*$|\Z)", re.MULTILINE | re.DOTALL)
_LINE_MARKS = re.compile(r"^\s*(?:#{1,6}\s+|>\s?|[-*+]\s+|\d{1,3}[.)]\s+)+")
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
_EMPHASIS = re.compile(
    r"(\*\*\*|\*\*|\*|~~|`+)(?=\S)(.+?)(?<=\S)\1|(?<!\w)(__?)(?=\S)(.+?)(?<=\S)\3(?!\w)"
)
_SENTENCE = re.compile(r".+?(?:[。！？!?…]+[”’」』）)\"']*|；|(?<=\w\w)[.;](?=\s+[^a-z]|\s*$)|$)")
_TRAILING = " .。,，;；:：、"
_GREETINGS = frozenset(
    (
        *("hi", "hithere", "hello", "hellothere", "hey", "yo", "goodmorning", "goodevening"),
        *("test", "ok", "okay", "thanks", "thankyou", "thx", "bye"),
        *("你好", "您好", "你好啊", "嗨", "哈喽", "喂", "在吗", "在么", "早", "早上好", "晚上好"),
        *("测试", "好的", "谢谢"),
    )
)


def title_from(question: str, answer: str = "", *, width: int = DEFAULT_WIDTH) -> str:
    """A title for a chat.

    Args:
        question: the first thing that the person wrote.
        answer: the first answer; may be empty.
        width: most cells.

    Returns:
        One line; empty where neither text says anything.
    """
    found = [_sentences(text) for text in (question, answer)]
    for sentences in found:
        for sentence in sentences:
            if not _says_nothing(sentence):
                return _trim(sentence, width)
    return _trim(next((sentences[0] for sentences in found if sentences), ""), width)


def cells(text: str) -> int:
    """How many terminal cells a text takes."""
    return sum(_width(char) for char in text)


def _sentences(text: str) -> list[str]:
    """The first sentences that have a letter in them, code left out."""
    if not text.strip():
        return []
    lines = _FENCE.sub("\n", text[:_LOOKED_AT].replace("\r", "\n")).splitlines()
    found = (
        sentence.strip().rstrip(_TRAILING)
        for line in lines
        for sentence in _SENTENCE.findall(_plain(line))
    )
    return [sentence for sentence in found if any(map(str.isalnum, sentence))][:5]


def _plain(line: str) -> str:
    line = _LINK.sub(r"\1", _LINE_MARKS.sub("", line))
    for _ in range(3):
        line = _EMPHASIS.sub(lambda match: match[2] or match[4], line)
    printable = (char if char.isprintable() else " " for char in line)
    return " ".join("".join(printable).split())


def _says_nothing(text: str) -> bool:
    letters = "".join(filter(str.isalnum, text)).casefold()
    return not letters or letters in _GREETINGS


def _trim(text: str, width: int) -> str:
    if cells(text) <= width:
        return text
    kept, used = "", 0
    for char in text:
        used += _width(char)
        if used > width - 1:
            break
        kept += char
    blank = kept.rfind(" ")
    if blank > len(kept) * 2 // 3:
        kept = kept[:blank]
    return kept.rstrip(_TRAILING) + "…"


def _width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
