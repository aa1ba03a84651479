# SPDX-License-Identifier: Apache-2.0
"""Reading what other programs wrote: bounded, checked key by key, every fault in words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yuren_core.i18n import tr
from yuren_tui.store.values import storable


def _refused(number: str) -> Any:
    raise ValueError(number)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refused(text)


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refused)
"""Refuses NaN and infinities, which no JSON column may hold."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large an import may be.

    Attributes:
        file_bytes: of one file, unpacked.
        text: characters of one message.
        messages: of one chat.
    """

    file_bytes: int = 1024 * 1024 * 1024
    text: int = 10_000_000
    messages: int = 200_000

    def check(self, texts: Sequence[str]) -> None:
        """Refuse a chat that is out of bounds or empty.

        Raises:
            ValueError: which bound it breaks.
        """
        if not texts:
            raise ValueError(tr("store.import.no_messages"))
        if len(texts) > self.messages:
            raise ValueError(tr("store.import.many_messages", limit=self.messages))
        if max(map(len, texts)) > self.text:
            raise ValueError(tr("store.import.long_text", limit=self.text))


class Fields:
    """The keys of a JSON object; a value of the wrong kind is a ValueError that names its key."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = value

    @classmethod
    def of(cls, value: object) -> Fields:
        """The fields of what should be an object."""
        if not isinstance(value, dict):
            raise ValueError(tr("store.import.not_object", found=kind_of(value)))
        return cls(value)

    def raw(self, key: str) -> object:
        """Whatever is there; None where nothing is."""
        return self._value.get(key)

    def text(self, key: str) -> str:
        """A string; empty where absent or null."""
        value = self._value.get(key)
        return "" if value is None else storable(self._as(key, value, str, "string"))

    def flag(self, key: str) -> bool:
        """True or false; false where absent or null."""
        value = self._value.get(key)
        return False if value is None else self._as(key, value, bool, "true/false")

    def array(self, key: str) -> list[Any]:
        """An array; empty where absent or null."""
        value = self._value.get(key)
        return [] if value is None else self._as(key, value, list, "array")

    def mapping(self, key: str) -> dict[str, Any]:
        """An object; empty where absent or null."""
        return self.mapping_or_none(key) or {}

    def mapping_or_none(self, key: str) -> dict[str, Any] | None:
        """An object; None where absent or null."""
        value = self._value.get(key)
        return None if value is None else self._as(key, value, dict, "object")

    def index_or_none(self, key: str) -> int | None:
        """A whole number; None where absent or null."""
        value = self._value.get(key)
        if isinstance(value, bool):
            raise self._wrong(key, value, "whole number")
        return None if value is None else self._as(key, value, int, "whole number")

    def one_of(self, key: str, allowed: Sequence[str], default: str = "") -> str:
        """One of some strings; the default, where there is one, if absent."""
        value = self._value.get(key, default)
        if value not in allowed:
            raise self._wrong(key, value, " | ".join(allowed))
        return str(value)

    def _as(self, key: str, value: Any, kind: type[Any], wanted: str) -> Any:
        if not isinstance(value, kind):
            raise self._wrong(key, value, wanted)
        return value

    def _wrong(self, key: str, value: object, wanted: str) -> ValueError:
        return ValueError(tr("store.import.wrong", name=key, found=kind_of(value), wanted=wanted))


def kind_of(value: object) -> str:
    """A JSON value in few words: short ones themselves, others by their kind."""
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a JSON array, and the line that it begins on; or why it cannot be read."""

    row: int
    line: int
    value: Any = None
    fault: str = ""


def items_of_array(text: str, start: int) -> Iterator[Item]:
    """The values of a JSON array, one at a time, so that what comes before a fault is had.

    Args:
        text: a document.
        start: where in it the array's bracket stands.

    Yields:
        Its items. Behind a fault of syntax there are none: nobody can tell where the next
        begins.
    """
    position, line, counted = _skip(text, start + 1), 1, 0
    row = 0
    while position < len(text) and text[position] != "]":
        row += 1
        line += text.count("\n", counted, position)
        counted = position
        try:
            value, position = _DECODER.raw_decode(text, position)
        except RecursionError:
            yield Item(row, line, fault=tr("store.import.nested"))
            return
        except ValueError as error:
            yield Item(row, _line_of(error, line), fault=_syntax(error))
            return
        yield Item(row, line, value)
        position = _skip(text, position)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
        elif text[position : position + 1] != "]":
            break
    if text[position : position + 1] != "]":
        line += text.count("\n", counted, position)
        yield Item(row + 1, line, fault=tr("store.import.not_json", reason="Expecting ',' or ']'"))


def parse_json(text: str) -> Any:
    """One JSON value.

    Raises:
        ValueError: what is wrong with it, in words.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError(tr("store.import.nested")) from error
    except ValueError as error:
        raise ValueError(_syntax(error)) from error


def _syntax(error: ValueError) -> str:
    return tr("store.import.not_json", reason=getattr(error, "msg", str(error)))


def _line_of(error: ValueError, fallback: int) -> int:
    return error.lineno if isinstance(error, json.JSONDecodeError) else fallback


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position
