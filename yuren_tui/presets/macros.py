# SPDX-License-Identifier: Apache-2.0
"""Variables in prompts: `{{user}}`, `{{date}}`, `{{random:a,b}}` and their kin, expanded once.

Names are case-insensitive; `<USER>`, `<BOT>` and `<CHAR>` are understood; a macro that we do not
know stays as it is written. Macros may stand inside a macro's argument and are expanded first.
What a macro gives is never read again, so that nothing can call itself; the whole output is
bounded by `MAX_OUTPUT`. The same text, seed, turn and clock give the same result. What comes out
is text: a control string in it is as ordinary as in any other text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

MAX_OUTPUT = 4 * 1024 * 1024
"""Characters; beyond this, the rest of the macros stays as it is written."""

_MAX_NESTING = 20
_TOKEN = re.compile(r"\{\{|\}\}|<(?:user|bot|char)>", re.IGNORECASE)
_ROLL = re.compile(r"(?:(\d{1,3})?d)?(\d{1,9})([+-]\d{1,9})?", re.IGNORECASE)
_COMMA = re.compile(r"(?<!\\),")
_LANGUAGE_NAMES = {"en": "English", "zh": "中文"}
_WEEKDAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)


@dataclass(frozen=True, slots=True)
class MacroContext:
    """All that macros may speak of.

    Attributes:
        user: the person's name.
        char: the character's name; the assistant's where there is no character.
        model: the model's name.
        language: "en" or "zh"; another code is named as it is, with English dates.
        now: the clock; its own time zone is the one that is told.
        seed: what chance depends on; one a chat.
        turn: how far the chat is, so that `{{random}}` differs from turn to turn.
        texts: more macros by lower-case name that give a text, e.g. "lastmessage", "original".
    """

    user: str
    char: str
    model: str
    language: str
    now: datetime
    seed: int = 0
    turn: int = 0
    texts: Mapping[str, str] = field(default_factory=dict)


def expand(text: str, context: MacroContext) -> str:
    """Expand every macro that we know.

    Args:
        text: what somebody wrote.
        context: what the macros stand for.

    Returns:
        The text; unknown and unclosed macros are in it as written.
    """
    if "{{" not in text and "<" not in text:
        return text
    return _Expansion(text, context).run()


def is_known(body: str) -> bool:
    """Whether what stands between two braces and two is a macro that gives something."""
    if body.lstrip().startswith("//"):
        return True
    name, separator, argument = _split(body)
    if not separator:
        return name in _SIMPLE or name in _TEXTS
    if name == "roll":
        return _ROLL.fullmatch(argument.strip()) is not None
    return name in _WITH_ARGUMENT


def uses_macro(text: str, name: str) -> bool:
    """Whether a text has the macro `{{name}}`, in any case of letters."""
    return re.search(r"\{\{\s*" + re.escape(name) + r"\s*\}\}", text, re.IGNORECASE) is not None


class _Expansion:
    """One pass over one text: a stack of open macros, each with what has come out inside it."""

    def __init__(self, text: str, context: MacroContext) -> None:
        self.text = text
        self.context = context
        self.stack: list[list[str]] = [[]]
        self.written = 0
        self.ordinal = 0
        self.chance = random.Random(f"random|{context.seed}|{context.turn}|{text}")

    def run(self) -> str:
        end = 0
        for token in _TOKEN.finditer(self.text):
            self.stack[-1].append(self.text[end : token.start()])
            end = token.end()
            self._take(token[0])
        self.stack[-1].append(self.text[end:])
        while len(self.stack) > 1:  # never closed: as written
            inner = self.stack.pop()
            self.stack[-1] += ["{{", *inner]
        return _trim("".join(self.stack[0]))

    def _take(self, token: str) -> None:
        if token == "{{" and len(self.stack) <= _MAX_NESTING:
            self.stack.append([])
        elif token == "}}" and len(self.stack) > 1:
            body = "".join(self.stack.pop())
            value = self._value(body) if self.written < MAX_OUTPUT else None
            self._put(f"{{{{{body}}}}}" if value is None else value)
        elif token.startswith("<") and self.written < MAX_OUTPUT:
            legacy = self.context.user if token.lower() == "<user>" else self.context.char
            self._put(legacy)
        else:
            self.stack[-1].append(token)

    def _put(self, value: str) -> None:
        self.written += len(value)
        self.stack[-1].append(value)

    def _value(self, body: str) -> str | None:
        """What a macro gives; None for one that we do not know."""
        self.ordinal += 1
        if body.lstrip().startswith("//"):
            return ""
        name, separator, argument = _split(body)
        if not separator:
            simple = _SIMPLE.get(name)
            return simple(self.context) if simple else self.context.texts.get(name)
        match name:
            case "random":
                return self.chance.choice(_choices(argument))
            case "pick":
                place = f"pick|{self.context.seed}|{self.ordinal}|{self.text}"
                return random.Random(place).choice(_choices(argument))
            case "roll":
                return self._roll(argument)
            case "reverse":
                return argument[::-1]
            case "comment" | "hidden_key":
                return ""
            case _:
                return None

    def _roll(self, argument: str) -> str | None:
        dice = _ROLL.fullmatch(argument.strip())
        if dice is None or int(dice[2]) < 1:
            return None
        count = min(int(dice[1] or 1), 100)
        total = sum(self.chance.randint(1, int(dice[2])) for _ in range(count))
        return str(total + int(dice[3] or 0))


def _split(body: str) -> tuple[str, str, str]:
    """Name in lower case, separator, argument: `name:…`, `name::…` or, for roll, `name …`."""
    name, separator, argument = body.partition(":")
    if separator:
        return name.strip().lower(), ":", argument.removeprefix(":")
    name, separator, argument = body.strip().partition(" ")
    if separator and name.lower() == "roll":
        return "roll", ":", argument
    return body.strip().lower(), "", ""


def _choices(argument: str) -> list[str]:
    """Values between `::`, or else between commas that no backslash escapes."""
    if "::" in argument:
        return argument.split("::")
    return [choice.replace("\\,", ",").strip() for choice in _COMMA.split(argument)]


_TRIM_MARK = "\ue0f8trim\ue0f8"


def _trim(text: str) -> str:
    """Take `{{trim}}` out, and the line breaks around it."""
    if _TRIM_MARK not in text:
        return text
    pieces = text.split(_TRIM_MARK)
    last = len(pieces) - 1
    return "".join(
        piece.lstrip("\n")
        if index == last
        else piece.rstrip("\n")
        if not index
        else piece.strip("\n")
        for index, piece in enumerate(pieces)
    )


def _date(context: MacroContext) -> str:
    now = context.now
    if context.language == "zh":
        return f"{now.year}年{now.month}月{now.day}日"
    return f"{_MONTHS[now.month - 1]} {now.day}, {now.year}"


def _weekday(context: MacroContext) -> str:
    return _WEEKDAYS.get(context.language, _WEEKDAYS["en"])[context.now.weekday()]


_SIMPLE: dict[str, Callable[[MacroContext], str]] = {
    "user": lambda context: context.user,
    "char": lambda context: context.char,
    "group": lambda context: context.char,
    "charifnotgroup": lambda context: context.char,
    "model": lambda context: context.model,
    "lang": lambda context: _LANGUAGE_NAMES.get(context.language, context.language),
    "date": _date,
    "weekday": _weekday,
    "time": lambda context: context.now.strftime("%H:%M"),
    "isodate": lambda context: context.now.strftime("%Y-%m-%d"),
    "isotime": lambda context: context.now.strftime("%H:%M"),
    "newline": lambda _: "\n",
    "space": lambda _: " ",
    "noop": lambda _: "",
    "trim": lambda _: _TRIM_MARK,
}

_WITH_ARGUMENT = frozenset({"random", "pick", "roll", "reverse", "comment", "hidden_key"})
_TEXTS = frozenset(
    {
        *("original", "persona", "description", "personality", "scenario"),
        *("lastmessage", "lastusermessage", "lastcharmessage", "lastmessageid"),
    }
)
"""Names that `MacroContext.texts` may have, in a preset and a chat."""

MACRO_NAMES = (
    *("user", "char", "model", "lang", "date", "time", "weekday", "isodate", "isotime"),
    *("original", "persona", "description", "personality", "scenario"),
    *("lastMessage", "lastUserMessage", "lastCharMessage"),
    *("random:a,b", "pick:a,b", "roll:d6", "reverse:text", "// comment"),
    *("newline", "space", "trim", "noop"),
)
"""What may stand between the braces, for help and completion."""
