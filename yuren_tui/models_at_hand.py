# SPDX-License-Identifier: Apache-2.0
"""Models that can be loaded without looking for them: those chosen before, and those installed.

No textual, no torch: what is said of a directory comes from its `config.json` and file sizes,
and of an adapter's from its base's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from yuren_core.paths import models_dir
from yuren_core.protocol import Device, LoadMode
from yuren_tui.session import ModelChoice
from yuren_tui.store import RecentModel

_CONFIG, _ADAPTER_CONFIG = "config.json", "adapter_config.json"
_CONFIG_LIMIT = 1024 * 1024  # bytes; a model's config is a few thousand


@dataclass(frozen=True, slots=True)
class ModelAtHand:
    """One model.

    Attributes:
        choice: how it was loaded last, or "auto".
        origin: chosen before or now, or only found among the installed ones.
        sees: whether it has a vision tower; None where that cannot be known before it loads.
        size_bytes: of its weights; 0 where that is not known.
        is_gone: a directory that is no longer there.
    """

    choice: ModelChoice
    origin: Literal["recent", "installed"]
    sees: bool | None = None
    size_bytes: int = 0
    is_gone: bool = False

    @property
    def name(self) -> str:
        """What to call it: the directory's own name, or the hub id."""
        model = self.choice.model
        return Path(model).name if is_path(model) else model


def is_path(model: str) -> bool:
    """Whether a model is named by a directory, not by a hub id."""
    return model.startswith(("/", "~", ".", "\\")) or ":" in model[:3] or Path(model).is_dir()


def models_at_hand(
    recent: Iterable[RecentModel], current: ModelChoice | None = None
) -> list[ModelAtHand]:
    """All of them, the last chosen first, then the installed ones by name. Reads the disk.

    Args:
        recent: chosen before, the latest first.
        current: chosen now; it comes first where it is neither of them.
    """
    found: dict[str, ModelAtHand] = {}
    for one in recent:
        choice = ModelChoice(one.model, cast("LoadMode", one.load), cast("Device", one.device))
        found[one.model] = look_at(choice, "recent")
    with suppress(OSError):
        for path in sorted(models_dir().iterdir()):
            is_model = any((path / config).is_file() for config in (_CONFIG, _ADAPTER_CONFIG))
            if is_model and not path.name.startswith("."):
                found.setdefault(str(path), look_at(ModelChoice(str(path)), "installed"))
    if current is not None and current.model not in found:
        return [look_at(current, "recent"), *found.values()]
    return list(found.values())


def look_at(choice: ModelChoice, origin: Literal["recent", "installed"]) -> ModelAtHand:
    """What can be said of a model without loading it."""
    if not is_path(choice.model):
        return ModelAtHand(choice, origin)
    directory = Path(choice.model).expanduser()
    directories = [directory]
    config = _read(directory / _CONFIG)
    if config is None and (adapter := _read(directory / _ADAPTER_CONFIG)) is not None:
        base = Path(str(adapter.get("base_model_name_or_path")))
        config = _read(base / _CONFIG)
        directories.append(base)
    elif config is None:
        return ModelAtHand(choice, origin, is_gone=not directory.is_dir())
    sees = None if config is None else bool(config.get("mm_vision_tower"))
    return ModelAtHand(choice, origin, sees, sum(_weight_bytes(one) for one in directories))


def _read(file: Path) -> dict[str, object] | None:
    """The object in a small JSON file; None where there is none."""
    try:
        with file.open("rb") as stream:
            config = json.loads(stream.read(_CONFIG_LIMIT))
    except (OSError, ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


def _weight_bytes(directory: Path) -> int:
    with suppress(OSError):
        for pattern in ("*.safetensors", "*.bin"):
            if size := sum(file.stat().st_size for file in directory.glob(pattern)):
                return size
    return 0
