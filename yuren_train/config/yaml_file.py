# SPDX-License-Identifier: Apache-2.0
"""A run's YAML file: its keys with their lines, and the one that `OUT/config.yaml` is.

Keys that are none of `TrainConfig`'s are refused all at once, each with its line and the right one
where that can be guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_train.config.foreign_names import suggested
from yuren_train.config.values import Source


@dataclass(frozen=True, slots=True)
class YamlValue:
    """A value out of a file, and its line."""

    value: Any
    line: int


def read_yaml(file: Path, names: Collection[str]) -> dict[str, YamlValue]:
    """The values of a file.

    Args:
        file: a mapping of names to values.
        names: that may stand there.

    Raises:
        UsageError: it cannot be read, is no mapping, has a key twice or keys that are none of
            `names`.
    """
    try:
        root = yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(tr("error.yaml.unreadable", path=file, reason=error)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}" if mark else str(file)
        reason = getattr(error, "problem", None) or error
        raise UsageError(
            tr("error.yaml.syntax", place=place, reason=reason), tr("error.yaml.syntax_hint")
        ) from error
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(tr("error.yaml.no_mapping", path=file), tr("error.yaml.syntax_hint"))
    values: dict[str, YamlValue] = {}
    wrong: list[str] = []
    hints: dict[str, None] = {}
    for key_node, value_node in root.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        name = key.replace("-", "_")
        if name not in names:
            near = suggested(name, names)
            kind = "near" if near else "unknown"
            wrong.append(tr(f"error.yaml.{kind}", place=f"{file}:{line}", key=key, name=near))
            if not near:
                hints[tr("error.yaml.allowed", names=", ".join(sorted(names)))] = None
        elif name in values:
            before = values[name].line
            wrong.append(tr("error.yaml.twice", place=f"{file}:{line}", key=key, line=before))
            hints[tr("error.yaml.twice_hint")] = None
        else:
            values[name] = YamlValue(yaml.SafeLoader("").construct_document(value_node), line)
    if wrong:
        raise UsageError("\n".join(wrong), "\n".join(hints))
    return values


def yaml_text(values: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    """YAML with each value's origin as a comment behind it; reads back as the same values."""
    lines = []
    for name, value in values.items():
        text = yaml.safe_dump(_plain(value), default_flow_style=True, allow_unicode=True, width=1e9)
        text = text.removesuffix("\n").removesuffix("\n...")
        lines.append(f"{name}: {text}" + (f"  # {origins[name]}" if name in origins else ""))
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    match value:
        case Source(path, weight):
            return str(path) if weight == 1 else {"path": str(path), "weight": weight}
        case Path():
            return str(value)
        case tuple():
            return [_plain(item) for item in value]
        case _:
            return value
