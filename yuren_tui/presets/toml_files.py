# SPDX-License-Identifier: Apache-2.0
"""Preset files: read with faults named by file, line, key and value; written whole.

Files beside a preset (avatar, card) are named without a directory, so that a preset from a
stranger can point at nothing else.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yuren_core.attachments import printable
from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.sampling_params import SamplingParams
from yuren_tui.presets.card_conversion import preset_of_card
from yuren_tui.presets.card_files import read_bytes, read_card
from yuren_tui.presets.errors import PresetError
from yuren_tui.presets.preset import Preset
from yuren_tui.presets.toml_lines import line_of

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

MAX_BYTES = 16 * 1024 * 1024
"""The largest preset file that is read; larger lorebooks come as cards."""

_AT_LINE = re.compile(r"at line (\d+)")


def read_preset(path: Path, *, is_own: bool = False) -> Preset:
    """Read a preset file, and the card beside it that it names.

    Args:
        path: a TOML file; its name without the suffix is the preset's id.
        is_own: it is the person's, not ours.

    Raises:
        PresetError: it cannot be read, or holds a key or value that cannot be.
        CardError: the card beside it cannot be read.
    """
    try:
        text = read_bytes(path, limit=MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _fault(path, None, tr("presets.not_utf8"), tr("presets.not_utf8_hint")) from error
    return preset_of_toml(text.replace("\r\n", "\n"), path, is_own=is_own)


def preset_of_toml(text: str, path: Path, *, is_own: bool = False) -> Preset:
    """Read a preset's TOML text.

    Args:
        text: the TOML.
        path: where it lies or will lie; other files are looked for beside it.
        is_own: it is the person's, not ours.

    Raises:
        PresetError, CardError: as `read_preset`.
    """
    from pydantic import ValidationError

    from yuren_tui.presets.schema import PresetTable

    try:
        raw = tomllib.loads(text)
        table = PresetTable.model_validate(raw)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        at = _AT_LINE.search(str(error))
        where = int(at[1]) if at else text.rstrip("\n").count("\n") + 1
        reason = str(error) or type(error).__name__
        raise _fault(
            path, where, tr("presets.bad_toml", reason=reason), tr("presets.bad_toml_hint")
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key_path = _toml_path(first["loc"])
        message, hint = _say(first, key_path, PresetTable)
        raise _fault(path, line_of(text, key_path), message, hint) from error
    sampling = table.sampling.value()
    try:
        sampling.over(SamplingParams())
    except UsageError as error:
        key = error.message.split()[0]
        line = line_of(text, ("sampling", key))
        raise _fault(path, line, f"sampling.{error.message}", error.hint) from error
    beside = {
        key: _beside(path, key, name, line_of(text, (key,)))
        for key, name in (("avatar", table.avatar), ("card", table.card))
        if name
    }
    preset = Preset(
        id=path.stem,
        common=table.value(),
        texts=table.texts(),
        sampling=sampling,
        tags=tuple(table.tags),
        creator=table.creator,
        version=table.version,
        note_depth=table.note_depth,
        avatar=beside.get("avatar"),
        path=path,
        is_own=is_own,
    )
    if "card" not in beside:
        return preset
    card = read_card(beside["card"])
    base = preset_of_card(card, id=preset.id)
    return replace(preset, card=card, common=preset.common.over(base.common))


# ---------------------------------------------------------------- saying what is wrong


def _fault(path: Path, line: int | None, message: str, hint: str) -> PresetError:
    where = printable(path)
    if line is not None:
        where = tr("presets.at_line", file=where, line=line)
    return PresetError(f"{where}: {message}", hint)


def _beside(path: Path, key: str, name: str, line: int | None) -> Path:
    if "/" in name or "\\" in name or ":" in name or name in (".", "..") or not name.isprintable():
        raise _fault(
            path,
            line,
            tr("presets.wrong_value", name=key, value=_shown(name)),
            tr("presets.allowed", what=tr("presets.allowed_file_name")),
        )
    return path.with_name(name)


def _toml_path(location: Sequence[str | int]) -> tuple[str | int, ...]:
    """Without what pydantic adds to say which member of a union it tried."""
    return tuple(part for part in location if isinstance(part, int) or part.isidentifier())


def _say(
    fault: ErrorDetails, path: tuple[str | int, ...], model: type[BaseModel]
) -> tuple[str, str]:
    key = ".".join(f"{part}" for part in path)
    if fault["type"] == "extra_forbidden":
        keys = ", ".join(sorted(_model_at(model, path[:-1]).model_fields))
        return tr("presets.unknown_key", name=key), tr("presets.allowed", what=keys)
    if fault["type"] == "missing":
        return tr("presets.missing_key", name=key), tr("presets.missing_key_hint")
    message = tr("presets.wrong_value", name=key, value=_shown(fault["input"]))
    return message, tr("presets.allowed", what=_allowed(fault))


def _allowed(fault: ErrorDetails) -> str:
    context: dict[str, Any] = fault.get("ctx", {})
    match fault["type"]:
        case "string_type":
            return tr("presets.allowed_text")
        case "bool_type":
            return "true, false"
        case "int_type" | "int_from_float":
            return tr("presets.allowed_integer")
        case "float_type":
            return tr("presets.allowed_number")
        case "list_type" | "tuple_type":
            return tr("presets.allowed_list")
        case "model_type" | "dict_type" | "model_attributes_type":
            return tr("presets.allowed_table")
        case "literal_error":
            return str(context.get("expected", "")).replace(" or ", ", ").replace("'", "")
        case "greater_than_equal":
            return tr("presets.allowed_from", least=context["ge"])
        case "less_than_equal":
            return tr("presets.allowed_to", most=context["le"])
        case _:
            return fault["msg"]


def _model_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    """The table that a path leads to."""
    from typing import get_args

    from pydantic import BaseModel

    for part in path:
        if isinstance(part, int):
            continue
        waiting: list[Any] = [model.model_fields[part].annotation]
        while waiting:
            kind = waiting.pop()
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                model = kind
                break
            waiting += get_args(kind)
    return model


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
