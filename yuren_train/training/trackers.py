# SPDX-License-Identifier: Apache-2.0
"""TensorBoard always, and the trackers that `report_to` names, told by a thread of their own.

A tracker may be slow or lose its network; the run neither waits for it nor fails with it. That
a package is missing, or an account, is found out before anything is loaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_train.config import TrainConfig
from yuren_train.training.events import Evaluated, Event, Sampled, Started
from yuren_train.training.intervals import Interval
from yuren_train.training.metrics import step_values

TENSORBOARD = "tensorboard"
_PACKAGES: Mapping[str, str] = {
    TENSORBOARD: "tensorboard",
    "wandb": "wandb",
    "swanlab": "swanlab",
    "trackio": "trackio",
}
_PROJECT = "yuren"
_PATIENCE = 30.0  # seconds that a tracker gets to send what it has at the end

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Values:
    """Numbers by name, or words, of a step."""

    step: int
    numbers: Mapping[str, float]
    words: Mapping[str, str]


class _Tracker(Protocol):
    def log(self, values: _Values) -> None: ...

    def close(self) -> None: ...


def check_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that are unknown, not installed, or without an account.

    Raises:
        UsageError: it says what to install or to set.
    """
    for name in names:
        if name not in _PACKAGES:
            raise UsageError(
                tr("error.tracker.unknown", name=name),
                tr("error.config.allowed", allowed=", ".join(_PACKAGES)),
            )
    for name in dict.fromkeys((TENSORBOARD, *names)):
        if importlib.util.find_spec(_PACKAGES[name]) is None:
            raise UsageError(
                tr("error.tracker.absent", name=name),
                tr("error.tracker.absent_hint", package=_PACKAGES[name]),
            )
    if "wandb" in names and not _wandb_may_log():
        raise UsageError(tr("error.tracker.wandb_key"), tr("error.tracker.wandb_key_hint"))


def _wandb_may_log() -> bool:
    """Whether wandb stays offline or finds a key; otherwise it would ask for one in the middle."""
    if os.environ.get("WANDB_MODE") in ("offline", "dryrun", "disabled"):
        return True
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    url = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    try:
        return urlsplit(url).hostname in netrc(os.environ.get("NETRC")).hosts
    except (OSError, NetrcParseError):
        return False


class Trackers:
    """Tells all trackers of a run.

    Args:
        config: of the run.
        warn: told once of each tracker that fails, with the reason.
    """

    def __init__(self, config: TrainConfig, warn: Callable[[str], None]) -> None:
        self._config = config
        self._warn = warn
        self._queue: queue.SimpleQueue[_Values | None] = queue.SimpleQueue()
        self._trackers: dict[str, _Tracker] = {}
        self._thread: threading.Thread | None = None

    def __call__(self, told: Event | Interval) -> None:
        """Hand on what is told."""
        match told:
            case Started():
                with redirect_stdout(sys.stderr):
                    self._trackers = dict(self._open(told))
                self._thread = threading.Thread(target=self._run, name="trackers", daemon=True)
                self._thread.start()
            case Interval():
                numbers = {
                    f"train/{name}": float(value)
                    for name, value in step_values(told).items()
                    if value is not None and name != "step"
                }
                self._queue.put(_Values(told.step, numbers, {}))
            case Evaluated():
                self._queue.put(_Values(told.step, {"eval/loss": told.loss}, {}))
            case Sampled():
                self._queue.put(_Values(told.step, {}, {told.prompt: told.answer}))
            case _:
                pass

    def close(self) -> None:
        """Let them send what they have."""
        if self._thread is None:
            return
        self._queue.put(None)
        self._thread.join(_PATIENCE)
        with redirect_stdout(sys.stderr):  # and in this thread: swanlab sets signal handlers back
            for name, tracker in self._trackers.items():
                try:
                    tracker.close()
                except Exception as error:  # noqa: BLE001 - of a foreign package
                    self._fail(name, error)

    def _open(self, started: Started) -> list[tuple[str, _Tracker]]:
        names = dict.fromkeys((TENSORBOARD, *self._config.report_to))
        opened: list[tuple[str, _Tracker]] = []
        for name in names:
            try:
                if name == TENSORBOARD:
                    opened.append((name, _TensorBoard(self._config.out / TENSORBOARD, started)))
                else:
                    opened.append((name, _Accelerate(name, started)))
            except Exception as error:  # noqa: BLE001 - of a foreign package; the run goes on
                self._fail(name, error)
        return opened

    def _run(self) -> None:
        while (values := self._queue.get()) is not None:
            for name, tracker in list(self._trackers.items()):
                try:
                    tracker.log(values)
                except Exception as error:  # noqa: BLE001 - likewise
                    del self._trackers[name]
                    self._fail(name, error)

    def _fail(self, name: str, error: Exception) -> None:
        _log.info("tracker %s failed", name, exc_info=error)
        reason = str(error) or type(error).__name__
        self._warn(tr("watch.tracker_failed", name=name, reason=reason))


class _TensorBoard:
    """What is behind the step that a run goes on from is hidden, not shown twice."""

    def __init__(self, directory: Path, started: Started) -> None:
        from torch.utils.tensorboard import SummaryWriter

        behind = started.step + 1 if directory.exists() else None
        self._writer: Any = SummaryWriter(str(directory), purge_step=behind)

    def log(self, values: _Values) -> None:
        for name, value in values.numbers.items():
            self._writer.add_scalar(name, value, values.step)
        for prompt, answer in values.words.items():
            self._writer.add_text(prompt, answer, values.step)

    def close(self) -> None:
        self._writer.close()


class _Accelerate:
    """One of accelerate's tracker classes; numbers alone."""

    def __init__(self, name: str, started: Started) -> None:
        tracking: Any = importlib.import_module("accelerate.tracking")
        tracking.PartialState()  # these classes log, and accelerate's logger asks for it
        config = started.config
        called = config.run_name or config.out.name
        options: dict[str, dict[str, Any]] = {
            "wandb": {
                "name": called,
                "dir": str(config.out),
                "settings": {"console": "off", "quiet": True},  # the terminal is ours
            },
            "swanlab": {"experiment_name": called, "logdir": str(config.out / "swanlog")},
            "trackio": {"name": called},
        }
        self._tracker: Any = tracking.LOGGER_TYPE_TO_CLASS[name](_PROJECT, **options[name])
        self._tracker.start()
        plain = {key: str(value) for key, value in asdict(config).items()}
        self._tracker.store_init_configuration(plain)

    def log(self, values: _Values) -> None:
        if values.numbers:
            self._tracker.log(dict(values.numbers), step=values.step)

    def close(self) -> None:
        self._tracker.finish()
