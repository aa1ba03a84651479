# SPDX-License-Identifier: Apache-2.0
"""Packages that training needs and an installation may lack: told before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_train.config import TrainConfig

TRAINING = ("peft", "pyarrow", "tensorboard")
"""What every run imports beyond what the chat does."""


def require(*packages: str) -> None:
    """Refuse to begin without packages.

    Raises:
        UsageError: it names those that are missing, and the command that installs them.
    """
    if missing := [package for package in packages if find_spec(package) is None]:
        raise UsageError(
            tr("error.requirements.absent", packages=", ".join(missing)),
            tr("error.requirements.absent_hint"),
        )


def packages_of(config: TrainConfig) -> Iterator[str]:
    """What a run needs because of its values."""
    if config.method == "qlora" or config.optimizer != "adamw":
        yield "bitsandbytes"
    if config.zero is not None or config.deepspeed is not None:
        yield "deepspeed"
