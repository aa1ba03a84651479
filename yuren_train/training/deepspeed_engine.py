# SPDX-License-Identifier: Apache-2.0
"""DeepSpeed's ZeRO 0 to 3 behind the same few calls.

Rules that always hold: optimizer, learning rate and the division of the loss are ours, as they
are without DeepSpeed; master weights and the sums of gradients are fp32; rotary frequencies stay
fp32 whatever DeepSpeed casts; the tower of a model that sees is none of its business.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_train.config import TrainConfig
from yuren_train.data.collator import Batch
from yuren_train.training.deepspeed_config import (
    deepspeed_settings,
    offloads_optimizer,
    zero_stage,
)
from yuren_train.training.learner import Learner, empty_batch
from yuren_train.training.optimizers import make_optimizer, parameter_groups, set_lr
from yuren_train.training.processes import Processes

_TAG = "deepspeed"
_log = logging.getLogger(__name__)


class DeepSpeedEngine:
    """Several processes, each with a part of optimizer, gradients and weights.

    Args:
        learner: the model and its loss; DeepSpeed takes it over.
        config: of the run.
        processes: who this process is.
        rebuild: makes the model of the run anew, on the CPU: ZeRO-3 saves through it.

    Raises:
        UsageError: DeepSpeed is not installed, or told what contradicts the run.
    """

    is_sharded = True

    def __init__(
        self,
        learner: Learner,
        config: TrainConfig,
        processes: Processes,
        rebuild: Callable[[], nn.Module],
    ) -> None:
        deepspeed = _import_deepspeed()
        settings = deepspeed_settings(config, processes.world)
        self.learner = learner
        self.processes = processes
        self._deepspeed = deepspeed
        self._stage = zero_stage(settings)
        self._rebuild = rebuild
        self._trained = {
            name: parameter.numel()
            for name, parameter in learner.named_parameters()
            if parameter.requires_grad
        }
        self._engine, self._optimizer, _, _ = deepspeed.initialize(
            model=learner, optimizer=_optimizer(learner, config, settings), config=settings
        )
        self._tells_norm = self._stage > 0  # at stage 0 DeepSpeed clips without telling
        self._needs_autocast = self._stage == 0 and config.dtype == "bf16"
        self._has_pending = False
        _restore_rotary(learner, processes.device)

    def forward_backward(self, batch: Batch | None, normaliser: int) -> Tensor:
        """As `Engine` says."""
        if self._has_pending:
            self._engine.step()  # no step of the optimizer yet: it only counts
        with self.answering():
            loss: Tensor = self._engine(self._own(batch))
        # DeepSpeed takes the mean over the ranks; the loss is a sum over all of them.
        scaled = loss * (self.processes.world / normaliser)
        self._engine.backward(scaled, scale_wrt_gas=False)
        self._has_pending = True
        return loss.detach()

    @torch.no_grad()
    def evaluate(self, batch: Batch | None) -> Tensor:
        """As `Engine` says."""
        with self.answering():
            loss: Tensor = self._engine(self._own(batch))
        return loss

    def step(self, lr_scale: float) -> tuple[float, float]:
        """As `Engine` says."""
        lr = set_lr(self._optimizer.param_groups, lr_scale)
        plain = None if self._tells_norm else self._plain_norm()
        self._engine.step()
        self._has_pending = False
        norm = self._engine.get_global_grad_norm() if plain is None else plain
        return float(norm), lr

    def save(self, directory: Path) -> None:
        """As `Engine` says."""
        self._engine.save_checkpoint(
            str(directory), tag=_TAG, exclude_frozen_parameters=True, save_latest=False
        )

    def load(self, directory: Path) -> None:
        """As `Engine` says."""
        self._engine.load_checkpoint(str(directory), tag=_TAG, load_module_strict=False)

    @property
    def checkpoint_bytes(self) -> int:
        """As `Engine` says: fp32 masters, two moments, and the weights themselves."""
        return sum(self._trained.values()) * 14

    @contextmanager
    def whole_model(self) -> Iterator[nn.Module | None]:
        """As `Engine` says."""
        if self._stage < 3:
            yield self.learner.model if self.processes.is_first else None
            return
        weights = self._gathered()
        if not self.processes.is_first:
            yield None
            return
        model = self._rebuild()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in weights:
                    parameter.copy_(weights[name])
        yield model

    @contextmanager
    def answering(self) -> Iterator[None]:
        """As `Engine` says."""
        with torch.autocast(
            self.processes.device.type, torch.bfloat16, enabled=self._needs_autocast
        ):
            yield

    def _plain_norm(self) -> Tensor:
        """The norm of gradients that are summed already and not parted."""
        gradients = [one.grad for one in self.learner.parameters() if one.grad is not None]
        return nn.utils.get_total_norm(gradients)

    def _own(self, batch: Batch | None) -> Batch:
        device = self.processes.device
        return empty_batch(device) if batch is None else batch.to(device, non_blocking=True)

    def _gathered(self) -> dict[str, Tensor]:
        """What was trained, whole, on rank 0's CPU; one parameter at a time."""
        weights = {}
        for name, parameter in self.learner.model.named_parameters():
            if not parameter.requires_grad:
                continue
            with self._deepspeed.zero.GatheredParameters([parameter]):
                if self.processes.is_first:
                    weights[name] = parameter.detach().to("cpu", copy=True)
        return weights


def _import_deepspeed() -> Any:
    try:
        import deepspeed  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError(tr("error.deepspeed.absent"), tr("error.deepspeed.absent_hint")) from error
    for handler in logging.getLogger("DeepSpeed").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)  # stdout is the product's
    return deepspeed


def _optimizer(learner: Learner, config: TrainConfig, settings: dict[str, Any]) -> Any:
    if not offloads_optimizer(settings):
        return make_optimizer(learner, config)
    from deepspeed.ops.adam import DeepSpeedCPUAdam  # type: ignore[import-untyped]

    try:
        return DeepSpeedCPUAdam(
            parameter_groups(learner, config),
            lr=config.lr,
            betas=config.adam_betas,
            adamw_mode=True,
        )
    except (RuntimeError, OSError) as error:  # its extension cannot be compiled here
        _log.warning("DeepSpeed's own Adam for the CPU cannot be built: %s", error)
        return make_optimizer(learner, config)


def _restore_rotary(learner: Learner, device: torch.device) -> None:
    """DeepSpeed casts buffers with the weights; in bf16 far positions would fall together."""
    model = learner.language_model.model
    model.rotary_emb = type(model.rotary_emb)(model.config).to(device)
