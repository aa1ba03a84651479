# SPDX-License-Identifier: Apache-2.0
"""JSON of strangers: read within bounds, taken apart without trust, written as it came.

What `load_json` returns is at most `MAX_DEPTH` deep and holds no NaN and no infinity, so that
comparing, copying and writing it can neither overflow the stack nor give another value. Lone
surrogates stay in it, and `dump_json` writes them back; `clean_text` takes them out of whatever
is going to be shown or told to a model.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import TypeAlias

from yuren_core.i18n import tr
from yuren_tui.presets.errors import CardError

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]

MAX_BYTES = 64 * 1024 * 1024
"""The largest JSON text that is read, in bytes."""

MAX_DEPTH = 100
"""How deep arrays and objects may be nested; real cards stay under ten."""

_UNSAFE = re.compile("[\x00\ud800-\udfff]")


def load_json(data: bytes, source: str) -> JsonObject:
    """Read one JSON object.

    Args:
        data: UTF-8, with or without a byte order mark.
        source: what to call it in an error, e.g. "mira.png (chunk ccv3)".

    Returns:
        The object.

    Raises:
        CardError: too large, too deep, no UTF-8, no JSON, or no object.
    """
    if len(data) > MAX_BYTES:
        raise CardError(
            tr("presets.too_large", file=source, limit=MAX_BYTES // 2**20),
            tr("presets.too_large_hint"),
        )
    try:
        value: JsonValue = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
        too_deep = _is_too_deep(value)
    except RecursionError:
        too_deep = True
    except ValueError as error:  # not UTF-8, not JSON, or a number of thousands of digits
        raise CardError(
            tr("presets.not_json", file=source, reason=str(error)), tr("presets.card_hint")
        ) from error
    if too_deep:
        raise CardError(
            tr("presets.too_deep", file=source, limit=MAX_DEPTH), tr("presets.card_hint")
        )
    if not isinstance(value, dict):
        raise CardError(tr("presets.no_object", file=source), tr("presets.card_hint"))
    return value


def dump_json(value: JsonValue, *, is_ascii: bool = False, indent: int | None = None) -> bytes:
    """JSON as UTF-8 that reads back as the same value.

    Args:
        value: what to write.
        is_ascii: escape everything else; else only what UTF-8 cannot hold.
        indent: spaces a level; None for one line.
    """
    separators = (",", ":") if indent is None else None
    if not is_ascii:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators
        )
        try:
            return text.encode()
        except UnicodeEncodeError:  # a lone surrogate has a place in JSON only as \udXXX
            pass
    return json.dumps(value, allow_nan=False, indent=indent, separators=separators).encode()


def clean_text(text: str) -> str:
    """Without NUL, with U+FFFD for lone surrogates, and with `\\n` as the only line end."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSAFE.sub(lambda m: "" if m[0] == "\0" else "\ufffd", text)


def text_of(table: Mapping[str, JsonValue], key: str, default: str = "") -> str:
    """A field as clean text; numbers as they are written, anything else is the default."""
    value = table.get(key)
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return default


def texts_of(table: Mapping[str, JsonValue], key: str) -> tuple[str, ...]:
    """A list's strings, clean; a lone string counts as a list of one."""
    value = table.get(key)
    if isinstance(value, str):
        return (clean_text(value),) if value else ()
    if not isinstance(value, list):
        return ()
    return tuple(clean_text(item) for item in value if isinstance(item, str))


def object_of(table: Mapping[str, JsonValue], key: str) -> JsonObject:
    """A field that is an object; an empty one where it is anything else."""
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def integer_of(table: Mapping[str, JsonValue], key: str, default: int) -> int:
    """A whole number, also where it is written as a string or a float."""
    found = optional_integer(table, key)
    return default if found is None else found


def optional_integer(table: Mapping[str, JsonValue], key: str) -> int | None:
    """A whole number within ±2^53, or None."""
    value = table.get(key)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if abs(value) < 2**53 else None


def flag_of(table: Mapping[str, JsonValue], key: str) -> bool | None:
    """True or False, or None where it is neither said nor clear."""
    value = table.get(key)
    return value if isinstance(value, bool) else None


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON number")


def _is_too_deep(value: JsonValue) -> bool:
    level: list[JsonValue] = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[JsonValue] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
            elif isinstance(item, float) and not math.isfinite(item):
                raise ValueError("a number is too large")
        if not below:
            return False
        level = below
    return True
