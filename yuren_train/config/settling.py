# SPDX-License-Identifier: Apache-2.0
"""From what was said to a complete config, each value with its origin.

    the command line  >  the YAML file  >  the defaults of the situation  >  TrainConfig's own

What cannot be is refused here, before anything is loaded.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_train.config.defaults import Situation, defaults
from yuren_train.config.limits import check_config
from yuren_train.config.model_shape import ModelShape
from yuren_train.config.values import Source, Stage, TrainConfig
from yuren_train.config.yaml_file import read_yaml, yaml_text

HINTS: Mapping[str, Any] = typing.get_type_hints(TrainConfig)
NAMES = tuple(item.name for item in fields(TrainConfig) if item.name != "stage")


@dataclass(frozen=True, slots=True)
class Settled:
    """A complete config, and where each of its values came from, in words."""

    config: TrainConfig
    origins: Mapping[str, str]
    shape: ModelShape

    def text(self, *, without: Collection[str] = ()) -> str:
        """YAML with each value's origin, which reads back as this config.

        Args:
            without: names that are left out, as they mean nothing here, unless somebody has
                said them.
        """
        unsaid = tr("origin.default")
        names = [name for name in NAMES if name not in without or self.origins[name] != unsaid]
        return yaml_text({name: getattr(self.config, name) for name in names}, self.origins)


def settle(
    stage: Stage,
    *,
    typed: Mapping[str, Any],
    file: Path | None,
    shape_of: Callable[[str], ModelShape],
    standard: Mapping[str, Any],
) -> Settled:
    """Complete a config.

    Args:
        stage: which recipe.
        typed: what the command line says, by the names of `TrainConfig`.
        file: a YAML file, or None.
        shape_of: reads the shape of the model that a reference names.
        standard: `model` and `data` for whoever names none; empty where they must be named.

    Raises:
        UsageError: a value that cannot be; its place is named. Or none where one must be.
        YurenError: whatever `shape_of` raises.
    """
    values: dict[str, Any] = {"stage": stage}
    origins: dict[str, str] = {}

    def take(name: str, value: Any, origin: str) -> None:
        if name not in values:
            values[name], origins[name] = _valid(name, value, origin), origin

    for name, value in typed.items():
        take(name, value, tr("origin.typed"))
    if file is not None:
        for name, found in read_yaml(file, NAMES).items():
            take(name, found.value, f"{file}:{found.line}")
    on_sample_data = "data" not in values
    for name, value in standard.items():
        take(name, value, tr("origin.standard"))
    for name in ("model", "data"):
        if name not in values:
            raise UsageError(tr(f"error.config.no_{name}"), tr(f"error.config.no_{name}_hint"))
    shape = shape_of(values["model"])
    method = values.get("method", "full")
    situation = Situation(stage, method, shape, on_sample_data)
    for name, (value, reason) in defaults(situation).items():
        take(name, value, tr(reason))
    take("out", Path("runs") / f"{stage}-{method}", tr("origin.default"))
    for item in fields(TrainConfig):
        if item.default is not MISSING:
            take(item.name, item.default, tr("origin.default"))
    ordered = {item.name: values[item.name] for item in fields(TrainConfig)}
    config = TrainConfig(**ordered)
    check_config(config, origins, shape)
    return Settled(config, origins, shape)


def _valid(name: str, value: Any, origin: str) -> Any:
    """A value in its type; a list for a tuple, a string for a path, a path for a source."""
    if name in ("data", "eval_data"):
        given = value if isinstance(value, list | tuple) else [value]
        value = [
            item if isinstance(item, dict | Source) else source_of(str(item)) for item in given
        ]
    elif _is_tuple(HINTS[name]) and isinstance(value, str):
        value = [value]
    try:
        return TypeAdapter(HINTS[name]).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise UsageError(
            tr("error.config.wrong", name=name, value=repr(value), origin=origin),
            tr("error.config.reason", reason=reason),
        ) from error


def source_of(text: str) -> Source:
    """`FILE` or `FILE:WEIGHT`, as one types it."""
    path, _, weight = text.rpartition(":")
    try:
        return Source(Path(path), float(weight)) if path else Source(Path(text))
    except ValueError:
        return Source(Path(text))


def _is_tuple(hint: Any) -> bool:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return any(typing.get_origin(option) is tuple for option in options)
