# SPDX-License-Identifier: Apache-2.0
"""Which language a text is in, as far as its script says it: zh, en, or other."""

from __future__ import annotations

import re

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ebef]")
_ENGLISH = re.compile("[A-Za-z]")
_LETTER = re.compile(r"[^\W\d_]")

_LETTERS_PER_HAN = 3  # a word of Chinese is two characters, one of English five to six letters
_READ = 20_000  # characters of a text that are looked at


def language_of(text: str) -> str:
    """ "zh" for mostly Han, "en" for mostly plain Latin letters, else "other".

    A script does not tell German from English unless it has letters of its own: a tenth of
    such letters, or of kana, hangul, Cyrillic and so on, makes a text "other".
    """
    read = text[:_READ]
    han, english = _count(_HAN, read), _count(_ENGLISH, read)
    foreign = _count(_LETTER, read) - han - english
    if (not han and not english) or foreign * 10 > han * _LETTERS_PER_HAN + english:
        return "other"
    return "zh" if han * _LETTERS_PER_HAN > english else "en"


def _count(pattern: re.Pattern[str], text: str) -> int:
    return len(pattern.findall(text))
