# SPDX-License-Identifier: Apache-2.0
"""Models that can be loaded without looking for them: those chosen before, and those installed.

No textual, no torch: what is said of a directory comes from its `config.json` and file sizes.
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

_CONFIG_LIMIT = 1024 * 1024  # bytes; a model's config is a few thousand


@dataclass(frozen=True, slots=True)
class ModelAtHand:
    """One model.

    Attributes:
        choice: how it was loaded last, or "auto".
        origin: chosen before, or only found among the installed ones.
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


def models_at_hand(recent: Iterable[RecentModel]) -> list[ModelAtHand]:
    """All of them, the last chosen first, then the installed ones by name. Reads the disk."""
    found: dict[str, ModelAtHand] = {}
    for one in recent:
        choice = ModelChoice(one.model, cast("LoadMode", one.load), cast("Device", one.device))
        found[one.model] = look_at(choice, "recent")
    with suppress(OSError):
        for path in sorted(models_dir().iterdir()):
            if not path.name.startswith(".") and (path / "config.json").is_file():
                found.setdefault(str(path), look_at(ModelChoice(str(path)), "installed"))
    return list(found.values())


def look_at(choice: ModelChoice, origin: Literal["recent", "installed"]) -> ModelAtHand:
    """What can be said of a model without loading it."""
    if not is_path(choice.model):
        return ModelAtHand(choice, origin)
    directory = Path(choice.model).expanduser()
    try:
        with (directory / "config.json").open("rb") as file:
            config = json.loads(file.read(_CONFIG_LIMIT))
    except (OSError, ValueError, RecursionError):
        return ModelAtHand(choice, origin, is_gone=not directory.is_dir())
    sees = isinstance(config, dict) and bool(config.get("mm_vision_tower"))
    size = 0
    with suppress(OSError):
        size = sum(file.stat().st_size for file in directory.glob("*.safetensors"))
        size = size or sum(file.stat().st_size for file in directory.glob("*.bin"))
    return ModelAtHand(choice, origin, sees, size)
