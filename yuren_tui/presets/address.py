# SPDX-License-Identifier: Apache-2.0
"""How a greeting addresses somebody who has given no name.

Told of, the person is "you" ("The door opens, and {{user}} looks up"); called, "friend", since
nobody calls anybody "you" ("Good evening, {{user}}.").
"""

from __future__ import annotations

import re

from yuren_tui.presets.words import words

_USER = r"(?:\{\{\s*user\s*\}\}|<user>)"
_END = r"(?=\s*(?:[,.!?;:~…，。！？；：、～—*\"”’」』]|$))"
_CALLED = re.compile(
    # Set off by punctuation before and behind, or behind a word that one greets with.
    r"(?P<before>(?:^|[,.!?;:~…，。！？；：、～—*\"“‘「『])[ \t]*"
    r"|\b(?:hello|hi|hey|welcome|dear|goodbye|bye|good (?:morning|day|afternoon|evening|night))\s+"
    r"|(?:你好|您好|[早晚]上好|下午好|中午好|早安|晚安|早|嗨|嘿|哈[喽啰罗]|再见|亲爱的)[呀啊]?)"
    rf"{_USER}{_END}",
    re.IGNORECASE | re.MULTILINE,
)


def called_without_name(text: str, language: str) -> str:
    """A greeting in which `{{user}}` is "friend" wherever the person is called.

    Args:
        text: the greeting, macros still in it.
        language: of the preset.
    """
    friend = words(language, "friend")
    return _CALLED.sub(lambda found: f"{found['before']}{friend}", text)
