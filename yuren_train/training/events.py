# SPDX-License-Identifier: Apache-2.0
"""What a training run tells whoever listens: frozen values, emitted by rank 0 alone.

A run emits `PhaseStarted` for each thing that takes a while before and after its steps,
`Started`, then `Stepped` at every optimizer step with the rest in between, and `Finished` at its
end; a run that fails raises in place of `Finished`. `step` counts optimizer steps from 1 over the
whole run, a resumed one included. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from yuren_train.config import TrainConfig

Phase = Literal["model", "data", "pictures", "engine", "result"]
"""What a run does around its steps: load the model, read the data, let the tower see pictures
whose features are kept, set up optimizer and checkpoint, save the result and prove it."""

Doing = Literal["step", "evaluation", "saving"]
"""What a run is at among its steps when it is told to stop: a step, which is the last; an
evaluation, which is dropped; a checkpoint, which is saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted:
    """A phase has begun; it ends with the next event but `DataRead`, `PicturesSeen`, `Warned`."""

    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRead:
    """Data files are being tokenized: so many bytes of all are read."""

    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturesSeen:
    """Features of pictures are being made: so many groups of them are done, on rank 0."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The run is about to take its first step.

    Attributes:
        config: what the run was told.
        step: optimizer steps that are already done: 0, or those of the checkpoint resumed from.
        total_steps: optimizer steps of the whole run.
        rows: rows that are learned from in one epoch.
        tokens: tokens of these rows.
        label_tokens: those of them that are learned.
        packing_efficiency: used share of the packed rows, 0 to 1; None where nothing is packed.
        trainable_parameters: that the optimizer changes.
        parameters: all of the model's.
        world: processes.
        device: of this process, as torch names it: "cpu", "cuda:0".
        device_name: what the device calls itself; empty on the CPU.
    """

    config: TrainConfig
    step: int
    total_steps: int
    rows: int
    tokens: int
    label_tokens: int
    packing_efficiency: float | None
    trainable_parameters: int
    parameters: int
    world: int
    device: str
    device_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """One optimizer step is done.

    Attributes:
        step: its number, from 1.
        total_steps: of the whole run.
        epoch: passes over the data so far, in fractions.
        loss: cross-entropy in nats, mean over the label tokens of the step, all ranks.
        lr: the learning rate that the step took.
        grad_norm: L2 norm of the gradients before clipping.
        samples: rows of the step, all ranks.
        tokens: of these rows; there is no padding.
        label_tokens: those of them that were learned.
        seconds: wall time since the last step, without evaluation and saving.
        data_seconds: of these, waiting for data.
        memory_bytes: peak so far: of the device on CUDA, of the process on the CPU.
    """

    step: int
    total_steps: int
    epoch: float
    loss: float
    lr: float
    grad_norm: float
    samples: int
    tokens: int
    label_tokens: int
    seconds: float
    data_seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationStarted:
    """An evaluation has begun; `Evaluated` and perhaps `Sampled` follow, or none if it is cut."""

    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The loss on data that is not learned from; step 0 is before training.

    Attributes:
        step: optimizer steps done.
        loss: cross-entropy in nats, mean over all label tokens.
        label_tokens: how many that were.
        seconds: wall time.
    """

    step: int
    loss: float
    label_tokens: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """The model's answer to one of the run's questions; step 0 is before training."""

    step: int
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A checkpoint, or with `is_final` the finished model, is whole on disk."""

    step: int
    path: Path
    is_final: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    """The process was told to stop: it ends or drops what it is at, and saves.

    Told at once, by a thread of its own.
    """

    doing: Doing


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something that a person should know, and that does not stop the run."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The run is done, saved and read back.

    Attributes:
        step: optimizer steps of the whole run.
        out: the model directory.
        seconds: wall time of this process, from `Started` on.
        proof: the largest difference between the logits of the model in memory, in the dtype
            that was saved, and of the model read back.
    """

    step: int
    out: Path
    seconds: float
    proof: float


Event: TypeAlias = (
    PhaseStarted
    | DataRead
    | PicturesSeen
    | Started
    | Stepped
    | EvaluationStarted
    | Evaluated
    | Sampled
    | Saved
    | StopAsked
    | Warned
    | Finished
)

Listener: TypeAlias = Callable[[Event], None]
"""Told each event, in order, in the process that trains; must be quick."""
