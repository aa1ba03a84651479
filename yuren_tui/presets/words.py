# SPDX-License-Identifier: Apache-2.0
"""The few words that the assembly itself says to a model, in the preset's language.

They follow the preset and not the UI, so they are here and not in a catalogue: a Chinese preset
in an English chat is told them in Chinese.
"""

from __future__ import annotations

_WORDS = {
    "en": {
        "play": (
            "You are {{char}}, in a conversation with {{user}}. Stay in character: speak and act "
            "only as {{char}}, and leave what {{user}} says and does to {{user}}."
        ),
        "personality": "Personality:",
        "scenario": "Scenario:",
        "persona": "About {{user}}:",
        "example": "An example of how {{char}} talks:",
        "begin": "The conversation begins here.",
        "user": "the user",
        "you": "you",
        "friend": "friend",
        "friend_name": "Friend",
    },
    "zh": {
        "play": (
            "你是{{char}}，正在和{{user}}对话。始终保持角色：只说{{char}}的话，只做{{char}}的事，"
            "{{user}}说什么、做什么，由{{user}}自己决定。"
        ),
        "personality": "性格：",
        "scenario": "场景：",
        "persona": "关于{{user}}：",
        "example": "{{char}}说话的样子，举例：",
        "begin": "对话从这里开始。",
        "user": "用户",
        "you": "你",
        "friend": "朋友",
        "friend_name": "朋友",
    },
}


def words(language: str, key: str) -> str:
    """What to say, macros still in it; English where the language is another."""
    return _WORDS.get(language, _WORDS["en"])[key]
