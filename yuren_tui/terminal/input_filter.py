# SPDX-License-Identifier: Apache-2.0
"""Between the terminal's bytes and Textual's parser: long commits are cut, replies taken out.

An input method commits text, and a terminal with kitty's key reports sends it as one sequence,
`CSI 0;;20320:22909:…u`, of any length. Textual's parser gives up on a sequence of more than 32
characters, about five Chinese ones, and takes it for keys. Here such a sequence becomes several
short ones, so that the parser sees nothing that it does not know. Text that is committed by Enter,
Tab or Backspace keeps no such key, which would send the message.

No input method commits text with Alt: an ESC before a Chinese, Japanese or Korean character is the
key, pressed just before. Textual's parser takes both for Alt and the character, and it is lost.

What is pasted is text, whatever is in it: Textual's parser takes an ESC within for the beginning of
a sequence, and ends in keys. There every ESC but that of the paste's end becomes its symbol, as
`yuren_tui.sanitize` shows it.

While somebody waits for what the terminal answers to a question, its answers are taken out of the
stream; Textual would type them into the prompt. Knows no textual.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LONGEST = 32
"""Characters of a sequence that Textual's parser still reads."""

_TEXT = re.compile(r"\x1b\[(\d*)(?::[\d:]*)?;([\d:]*);([\d:]+)u")
_REPLY = re.compile(r"\x1b\[\?[\d;]+c|\x1b\[6;\d+;\d+t|\x1b_G[^\x1b]*\x1b\\")
_OPEN = re.compile(r"\x1b\[[\d:;]*\Z")
_OPEN_REPLY = re.compile(r"\x1b(?:\[\??[\d:;]*|_[^\x1b]{0,256}\x1b?)?\Z")
_ESCAPED = re.compile(
    "\x1b(?=[\u2010-\u2027\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff])"
)
_ESCAPE = "\x1b[27u"
_PASTE, _PASTE_END = "\x1b[200~", "\x1b[201~"
_OPEN_END = re.compile(r"\x1b(?:\[(?:2(?:0(?:1)?)?)?)?\Z")
_SHOWN_ESCAPE = "\u241b"
_MOST_HELD = 1 << 20  # characters; no commit is as long
_KEYS_WITHOUT_TEXT = ("9", "13", "27", "127")  # tab, enter, escape, backspace


class InputFilter:
    """The stream of one parser.

    Args:
        take_reply: takes what the terminal answers.
        is_waiting: whether somebody waits for an answer.
    """

    def __init__(
        self,
        take_reply: Callable[[str], None] = lambda reply: None,
        is_waiting: Callable[[], bool] = lambda: False,
    ) -> None:
        self._take_reply = take_reply
        self._is_waiting = is_waiting
        self._held = ""
        self._has_escaped = False  # the parser has had an ESC, and nothing after it
        self._is_pasting = False

    @property
    def is_holding(self) -> bool:
        """Whether the beginning of a sequence is kept back until its end comes."""
        return bool(self._held) and not self._is_pasting

    def feed(self, data: str) -> str:
        """What the parser is to see of the next characters."""
        passed = ""
        while data:
            if self._is_pasting:
                pasted, data = self._feed_paste(data)
                passed += pasted
                continue
            known = ("\x1b" if self._has_escaped else "") + self._held
            place = f"{known}{data}".find(_PASTE)
            if place < 0:
                return passed + self._feed_keys(data)
            cut = place + len(_PASTE) - len(known)
            passed += self._feed_keys(data[:cut])
            self._is_pasting, data = True, data[cut:]
        return passed

    def _feed_paste(self, data: str) -> tuple[str, str]:
        """What the parser is to see of pasted text, and what comes after its end."""
        text, ending, after = f"{self._held}{data}".partition(_PASTE_END)
        if ending:
            self._is_pasting, self._held = False, ""
        else:
            open_ = _OPEN_END.search(text)
            end = open_.start() if open_ else len(text)
            text, self._held = text[:end], text[end:]
        return text.replace("\x1b", _SHOWN_ESCAPE) + ending, after

    def _feed_keys(self, data: str) -> str:
        """What the parser is to see of characters that are typed or told by the terminal."""
        lead = "\x1b" if self._has_escaped else ""
        text = f"{lead}{self._held}{data}"
        waiting = self._is_waiting()
        if "\x1b" in text:
            if waiting:
                text = _REPLY.sub(self._taken, text)
            text = _TEXT.sub(_cut, text)
            text = _ESCAPED.sub(_ESCAPE, text)
        open_ = (_OPEN_REPLY if waiting else _OPEN).search(text)
        end = open_.start() if open_ and len(text) - open_.start() < _MOST_HELD else len(text)
        passed, self._held = text[:end], text[end:]
        if lead and passed:
            passed = passed.removeprefix(lead)
        elif lead:
            self._held = self._held.removeprefix(lead)
            return ""
        self._has_escaped = passed.endswith("\x1b")
        return passed

    def settle(self) -> None:
        """The parser has waited long enough, and taken an ESC for the key."""
        self._has_escaped = False

    def flush(self) -> str:
        """What was kept back, where its end does not come."""
        if self._is_pasting:  # the rest of its end may be long in coming
            return ""
        held, self._held = self._held, ""
        if held:
            self._has_escaped = False
        return held

    def _taken(self, reply: re.Match[str]) -> str:
        self._take_reply(reply[0])
        return ""


def _cut(sequence: re.Match[str]) -> str:
    """A sequence with text as sequences that are short enough, with no key that acts."""
    key, modifiers, text = sequence.groups()
    points = [point for point in text.split(":") if _is_character(point)]
    if not points:
        return ""
    is_commit = len(points) > 1 or (key in _KEYS_WITHOUT_TEXT and _is_printable(points[0]))
    is_as_written = text == ":".join(points) and ":" not in modifiers
    if not is_commit and is_as_written and len(sequence[0]) <= LONGEST:
        return sequence[0]
    start = "\x1b[0;;" if is_commit else f"\x1b[{key or '0'};{modifiers.partition(':')[0]};"
    pieces, piece = [], points[0]
    for point in points[1:]:
        if len(start) + len(piece) + len(point) + 2 > LONGEST:
            pieces.append(f"{start}{piece}u")
            piece = point
        else:
            piece = f"{piece}:{point}"
    return "".join([*pieces, f"{start}{piece}u"])


def _is_character(point: str) -> bool:
    """Whether digits name a character: Textual's parser ends the chat over what is none."""
    if not 0 < len(point) <= 7:
        return False
    number = int(point)
    return number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF


def _is_printable(point: str) -> bool:
    return int(point) >= 0x20 and not 0x7F <= int(point) < 0xA0
