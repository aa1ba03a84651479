# SPDX-License-Identifier: Apache-2.0
"""What must not go on: a loss that is no number, a loss that leaps, too little memory.

Each becomes an error that names the rows or the numbers, and what to change. Nothing is saved
after one: the last checkpoint is the last good one. Only of a leap may a run be told that it is
none (`on_spike`).
"""

from __future__ import annotations

import math
import os
import resource
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch

from yuren_core.errors import OutOfMemoryError, YurenError
from yuren_core.i18n import tr
from yuren_train.config import OnSpike, TrainConfig
from yuren_train.data.samples import Sample
from yuren_train.training.events import Listener, Warned
from yuren_train.training.run_plan import NumberedStep

_REMEMBERED = 64  # losses that a new one is compared with
_FEWEST = 16  # before this many there is nothing to compare with
_LEAP = 3.0  # times the median
_ROWS_NAMED = 20
_GIB = 1 << 30


class DivergedError(YurenError):
    """The loss or the gradients have left what can be learned from."""


class LossWatch:
    """Remembers losses, and knows one that has leapt.

    A leap is a loss of three times the median of the last ones that is also above every loss of
    the beginning: an easy batch after a hard one is none, a model that has broken is.

    Args:
        losses: of a run that is resumed, as `state` gave them.
        ceiling: the highest of the beginning, likewise.
    """

    def __init__(self, losses: Iterable[float] = (), ceiling: float = 0.0) -> None:
        self._losses: deque[float] = deque(losses, maxlen=_REMEMBERED)
        self._ceiling = ceiling

    def state(self) -> dict[str, object]:
        """The arguments of the class."""
        return {"losses": list(self._losses), "ceiling": self._ceiling}

    def has_leapt(self, loss: float) -> bool:
        """Whether this loss is a leap from those that are remembered."""
        if len(self._losses) < _FEWEST:
            return False
        return loss > max(_LEAP * median(self._losses), self._ceiling)

    def remember(self, loss: float) -> None:
        """A loss that was learned from."""
        if len(self._losses) < _FEWEST:
            self._ceiling = max(self._ceiling, loss)
        self._losses.append(loss)


class LossWatches:
    """A watch for steps with pictures and one for those without: losses of the two are not alike.

    Args:
        pictures: the arguments of one watch, of a run that is resumed, as `state` gave them.
        text: of the other, likewise.
    """

    def __init__(
        self, pictures: Mapping[str, Any] | None = None, text: Mapping[str, Any] | None = None
    ) -> None:
        self._pictures, self._text = LossWatch(**(pictures or {})), LossWatch(**(text or {}))

    def of(self, step: NumberedStep) -> LossWatch:
        """The watch over steps of this kind."""
        return self._pictures if step.pictures else self._text

    def state(self) -> dict[str, object]:
        """What a checkpoint keeps: the arguments of the class."""
        return {"pictures": self._pictures.state(), "text": self._text.state()}


def check_loss(
    watch: LossWatch,
    loss: float,
    step: NumberedStep,
    rows: Sequence[Sample],
    *,
    on_spike: OnSpike,
    emit: Listener,
) -> None:
    """Stop at a loss that is no number; at one that has leapt, do as the run was told.

    Args:
        watch: over losses of this kind.
        loss: of the step.
        step: whose loss it is.
        rows: that its samples are places in.
        on_spike: "warn" tells it to `emit`, "off" does not look.
        emit: told `Warned`.

    Raises:
        DivergedError: it names the rows of the step.
    """
    if not math.isfinite(loss):
        raise _diverged("nan", step, rows, value=loss)
    if on_spike == "off" or not watch.has_leapt(loss):
        return
    if on_spike == "stop":
        raise _diverged("leap", step, rows, value=f"{loss:.4g}", more=tr("error.training.leap_on"))
    message = tr("training.leap", step=step.number, value=f"{loss:.4g}", rows=_named(step, rows))
    emit(Warned(message=message))


def check_gradients(norm: float, step: NumberedStep, rows: Sequence[Sample]) -> None:
    """Stop at gradients that are no numbers.

    Raises:
        DivergedError: it names the rows of the step.
    """
    if not math.isfinite(norm):
        raise _diverged("gradient", step, rows, value=norm)


def _diverged(
    kind: str, step: NumberedStep, rows: Sequence[Sample], *, value: object, more: str = ""
) -> DivergedError:
    hint = tr("error.training.diverged_hint", rows=_named(step, rows))
    return DivergedError(
        tr(f"error.training.{kind}", step=step.number, value=value),
        f"{hint}\n{more}" if more else hint,
    )


def _named(step: NumberedStep, rows: Sequence[Sample]) -> str:
    """The rows of a step, each in a line."""
    places = [str(rows[sample].place) for sample in step.plan.samples[:_ROWS_NAMED]]
    more = len(step.plan.samples) - len(places)
    if more:
        places.append(tr("error.training.more_rows", count=more))
    return "\n  ".join(places)


@contextmanager
def naming_memory(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Turn a lack of memory within the block into an error that says what to change.

    Raises:
        OutOfMemoryError: with the numbers.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_lack_of_memory(error):
            raise
        raise OutOfMemoryError(
            tr(
                "error.training.memory",
                device=device,
                **_memory(device),
                batch_size=config.batch_size,
                max_length=config.max_length,
                tokens=config.batch_size * config.max_length,
            ),
            "\n".join(_remedies(config)),
        ) from error


def _is_lack_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
        sign in text for sign in ("can't allocate memory", "not enough memory", "out of memory")
    )


def peak_memory(device: torch.device) -> int:
    """The most bytes so far: of the device on CUDA, of this process elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # in KiB on Linux


def _memory(device: torch.device) -> dict[str, str]:
    """`used` and `total` in GiB."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return {"used": f"{(total - free) / _GIB:.1f}", "total": f"{total / _GIB:.1f}"}
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"used": f"{peak_memory(device) / _GIB:.1f}", "total": f"{total / _GIB:.1f}"}


def _remedies(config: TrainConfig) -> Iterator[str]:
    """What to change, from what costs nothing to what changes the result."""
    if config.batch_size > 1:
        half = -(-config.batch_size // 2)
        accum = config.grad_accum * -(-config.batch_size // half)
        yield tr("error.training.memory_batch", batch_size=half, grad_accum=accum)
    if not config.gradient_checkpointing:
        yield tr("error.training.memory_checkpointing")
    if config.optimizer == "adamw":
        yield tr("error.training.memory_optimizer")
    if config.method != "qlora":
        yield tr("error.training.memory_qlora")
    if config.zero in (None, 0, 1, 2) and config.method == "full":
        yield tr("error.training.memory_zero")
    yield tr("error.training.memory_length", max_length=max(config.max_length // 2, 1))
