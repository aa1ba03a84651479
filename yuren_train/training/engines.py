# SPDX-License-Identifier: Apache-2.0
"""What an engine does for the loop, and the engine without DeepSpeed.

Rules that always hold: the loss is divided by the label tokens of the WHOLE step, over ranks and
micro-batches alike, so that a step does not depend on how it was split; gradients are summed
over the ranks once a step, in fp32; nothing of a step changes the weights unless its gradients
are finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from yuren_train.config import TrainConfig
from yuren_train.data.collator import Batch
from yuren_train.training.learner import Learner
from yuren_train.training.optimizers import make_optimizer, set_lr
from yuren_train.training.pieces import pieces
from yuren_train.training.processes import Processes

_WEIGHTS, _OPTIMIZER = "trained.safetensors", "optimizer.pt"
_CPU_TOKENS = 1024  # computed at once on a CPU
_BUCKET = 1 << 25  # fp32 gradients that are summed over the ranks in one call: 128 MiB


class Engine(Protocol):
    """Turns batches into steps."""

    processes: Processes
    learner: Learner
    is_sharded: bool
    """Whether each rank keeps a part only, so that a checkpoint belongs to a number of ranks."""

    def forward_backward(self, batch: Batch | None, normaliser: int) -> Tensor:
        """Add a micro-batch's gradients to the step's.

        Args:
            batch: on any device; None is a rank's share where the others have more.
            normaliser: label tokens of the whole step, all ranks.

        Returns:
            The summed loss of this micro-batch, not divided: fp32, a scalar without gradient.
        """
        ...

    def evaluate(self, batch: Batch | None) -> Tensor:
        """The summed loss of a batch, and nothing is learned from it."""
        ...

    def step(self, lr_scale: float) -> tuple[float, float]:
        """Change the weights by the gradients since the last step.

        Args:
            lr_scale: factor of the peak learning rates.

        Returns:
            The gradients' L2 norm before clipping, and the learning rate that was taken. If
            the norm is not finite, the weights may stay as they were.
        """
        ...

    def save(self, directory: Path) -> None:
        """Write what the next step needs; called by every rank."""
        ...

    def load(self, directory: Path) -> None:
        """Read it again, to the bit; called by every rank."""
        ...

    @property
    def checkpoint_bytes(self) -> int:
        """About what `save` writes, all ranks together."""
        ...

    def whole_model(self) -> AbstractContextManager[nn.Module | None]:
        """The model with all of its weights, for rank 0 to write; None for the others."""
        ...

    def answering(self) -> AbstractContextManager[None]:
        """Within it, the model may be asked for an answer, by all ranks alike."""
        ...


class LocalEngine:
    """One process, or several that each hold the whole model.

    Args:
        learner: the model and its loss, on its device; trainable parameters are fp32.
        config: of the run.
        processes: who this process is.
    """

    is_sharded = False

    def __init__(self, learner: Learner, config: TrainConfig, processes: Processes) -> None:
        self.learner = learner
        self.processes = processes
        self.optimizer = make_optimizer(learner, config)
        self._max_grad_norm = config.max_grad_norm
        self._in_bf16 = config.dtype == "bf16"
        self._trained = {
            name: parameter
            for name, parameter in learner.named_parameters()
            if parameter.requires_grad
        }

    def forward_backward(self, batch: Batch | None, normaliser: int) -> Tensor:
        """As `Engine` says."""
        if batch is None:
            return torch.zeros((), device=self.processes.device)
        total = torch.zeros((), device=self.processes.device)
        with self._autocast():  # its copies of the weights serve all pieces
            for piece in self._pieces(batch):
                loss: Tensor = self.learner(piece)
                with torch.autocast(self.processes.device.type, enabled=False):
                    (loss / normaliser).backward()
                total += loss.detach()
        return total

    @torch.no_grad()
    def evaluate(self, batch: Batch | None) -> Tensor:
        """As `Engine` says."""
        if batch is None:
            return torch.zeros((), device=self.processes.device)
        with self._autocast():
            return torch.stack([self.learner(piece) for piece in self._pieces(batch)]).sum()

    def step(self, lr_scale: float) -> tuple[float, float]:
        """As `Engine` says."""
        lr = set_lr(self.optimizer.param_groups, lr_scale)
        parameters = list(self._trained.values())
        if self.processes.world > 1:
            _sum_gradients(parameters)
        limit = self._max_grad_norm or math.inf
        norm = float(nn.utils.clip_grad_norm_(parameters, limit))
        if math.isfinite(norm):
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm, lr

    def save(self, directory: Path) -> None:
        """As `Engine` says; every rank holds the same, so rank 0 writes."""
        if not self.processes.is_first:
            return
        weights = {name: tensor.detach().contiguous() for name, tensor in self._trained.items()}
        save_file(weights, directory / _WEIGHTS)
        torch.save(self.optimizer.state_dict(), directory / _OPTIMIZER)

    @torch.no_grad()
    def load(self, directory: Path) -> None:
        """As `Engine` says."""
        for name, tensor in load_file(directory / _WEIGHTS).items():
            self._trained[name].copy_(tensor)
        state = torch.load(directory / _OPTIMIZER, map_location="cpu", weights_only=True)
        self.optimizer.load_state_dict(state)

    @property
    def checkpoint_bytes(self) -> int:
        """As `Engine` says: the weights and two moments, in fp32 or in 8 bits."""
        moments = 8 if isinstance(self.optimizer, torch.optim.AdamW) else 2
        return sum(weight.numel() * (4 + moments) for weight in self._trained.values())

    @contextmanager
    def whole_model(self) -> Iterator[nn.Module | None]:
        """As `Engine` says."""
        yield self.learner.model if self.processes.is_first else None

    @contextmanager
    def answering(self) -> Iterator[None]:
        """As `Engine` says."""
        with self._autocast():
            yield

    def _pieces(self, batch: Batch) -> Iterator[Batch]:
        device = self.processes.device
        if device.type == "cpu":
            return pieces(batch, _CPU_TOKENS)
        return iter([batch.to(device, non_blocking=True)])

    def _autocast(self) -> AbstractContextManager[object]:
        if self._in_bf16:
            return torch.autocast(self.processes.device.type, torch.bfloat16)
        return nullcontext()


def _sum_gradients(parameters: list[nn.Parameter]) -> None:
    """Sum every parameter's gradient over the ranks, many in one call."""
    bucket: list[Tensor] = []
    filled = 0
    for parameter in parameters:
        if parameter.grad is None:  # this rank had no part in it
            parameter.grad = torch.zeros_like(parameter)
        bucket.append(parameter.grad)
        filled += parameter.grad.numel()
        if filled >= _BUCKET:
            _sum_bucket(bucket)
            bucket, filled = [], 0
    if bucket:
        _sum_bucket(bucket)


def _sum_bucket(bucket: list[Tensor]) -> None:
    flat = torch.cat([gradient.view(-1) for gradient in bucket])
    dist.all_reduce(flat)
    for gradient, summed in zip(
        bucket, flat.split([gradient.numel() for gradient in bucket]), strict=True
    ):
        gradient.copy_(summed.view_as(gradient))
