# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses to plain JSON and back, by their annotations; strict in every type.

Understood: str, int, float, bool, None, enums of strings, literals, unions, tuples of one type,
and dataclasses of these. A field too many is refused like one too few.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from contextlib import suppress
from functools import cache
from typing import Any, Literal

from yuren_core.errors import ProtocolError
from yuren_core.i18n import tr


def to_json(value: Any) -> Any:
    """What `json.dumps` takes of a value; dataclasses become objects, tuples lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    return value.value if isinstance(value, enum.Enum) else value


@cache
def _field_types(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def from_json(hint: Any, value: Any, where: str) -> Any:
    """A value of a type, out of what `json.loads` gives.

    Args:
        hint: a class or an annotation.
        value: plain JSON.
        where: what it is called in messages.

    Raises:
        ProtocolError: `value` is none of that type; no conversion but from int to float.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _build_union(args, value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(from_json(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Literal and value in args:
        return value
    if isinstance(hint, type):
        if dataclasses.is_dataclass(hint) and isinstance(value, dict):
            return _build_dataclass(hint, value, where)
        if issubclass(hint, enum.Enum) and isinstance(value, str):
            try:
                return hint(value)
            except ValueError:
                pass
        elif hint is float and type(value) in (int, float):
            with suppress(OverflowError):
                return float(value)
        elif type(value) is hint:
            return value
    raise _wrong(value, where)


def _build_union(args: tuple[Any, ...], value: Any, where: str) -> Any:
    for option in args:
        try:
            return (
                None if option is type(None) and value is None else from_json(option, value, where)
            )
        except ProtocolError:
            continue
    raise _wrong(value, where)


def _wrong(value: Any, where: str) -> ProtocolError:
    return ProtocolError(tr("error.protocol.wrong", where=where, value=f"{value!r:.80}"))


def _build_dataclass(cls: type, value: dict[str, Any], where: str) -> Any:
    hints = _field_types(cls)
    if unknown := value.keys() - hints.keys():
        raise ProtocolError(tr("error.protocol.field", where=where, name=repr(min(unknown))))
    fields = {name: from_json(hints[name], item, f"{where}.{name}") for name, item in value.items()}
    try:
        return cls(**fields)
    except TypeError as error:
        raise ProtocolError(tr("error.protocol.lacking", where=where, reason=error)) from error
