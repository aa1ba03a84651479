# SPDX-License-Identifier: Apache-2.0
"""The loop: steps in, events out.

Rules that always hold: a step depends on nothing but the weights, the optimizer and its number;
what a person asked for in between (evaluation, samples, checkpoints) changes no later step; a
loss that must not be learned from stops the run before the weights change.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from yuren_train.config import TrainConfig, in_steps
from yuren_train.data.tokenized import TokenizedRows
from yuren_train.training.anomalies import (
    LossWatches,
    check_gradients,
    check_loss,
    naming_memory,
    peak_memory,
)
from yuren_train.training.batches import Share, batches
from yuren_train.training.checkpoints import Checkpoints, RunState
from yuren_train.training.engines import Engine
from yuren_train.training.evaluation import Evaluation
from yuren_train.training.events import Listener, Saved, Stepped, StopAsked
from yuren_train.training.run_plan import RunPlan
from yuren_train.training.schedules import lr_schedule
from yuren_train.training.sight import Sight
from yuren_train.training.stopping import StopRequest, hearing_stop_requests, stopped


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that the loop drives.

    Attributes:
        config: of the run.
        engine: turns batches into steps.
        rows: what is learned from.
        plan: its steps.
        checkpoints: where they go.
        evaluation: what is measured in between.
        emit: told every event.
        sight: how batches get their pictures.
    """

    config: TrainConfig
    engine: Engine
    rows: TokenizedRows
    plan: RunPlan
    checkpoints: Checkpoints
    evaluation: Evaluation
    emit: Listener
    sight: Sight


def run_steps(run: Run, resumed: RunState | None = None) -> None:
    """Take every step that is left, and leave a checkpoint behind the last.

    Args:
        run: called with the same by every rank.
        resumed: the state of the checkpoint that the engine holds; None begins anew.

    Raises:
        DivergedError: a loss or gradient that must not be learned from.
        StoppedError: the process was told to stop; it has saved what it had learned.
        OutOfMemoryError: a batch does not fit.
        StorageError: a checkpoint cannot be written.
    """
    config, engine, total = run.config, run.engine, run.plan.total_steps
    done = resumed.step if resumed else 0
    watches = LossWatches(**resumed.watch) if resumed else LossWatches()
    scale = lr_schedule(config, total)
    evaluate_every = in_steps(config.eval_interval, total)
    save_every = in_steps(config.save_interval, total)
    engine.learner.train()
    device = engine.processes.device
    shares = batches(
        run.plan.steps(after=done), run.rows, engine.processes, collate=run.sight.collate
    )
    with (
        hearing_stop_requests(lambda doing: run.emit(StopAsked(doing=doing))) as request,
        naming_memory(config, device),
    ):
        is_due = evaluate_every and (resumed is None or not resumed.is_measured)
        if is_due and not _evaluate(run, done, request):
            raise stopped(done, _checkpoint(run, done))  # which is there already
        started = time.perf_counter()
        for share in shares:
            waited = time.perf_counter() - started
            step = share[0]
            stop = _step(run, share, request, watches, scale(step.number), started, waited)
            is_last = step.number == total
            is_due = evaluate_every and (is_last or step.number % evaluate_every == 0)
            # Whoever is told to stop has little time: what is due waits for the next start.
            is_measured = not is_due or (not stop and _evaluate(run, step.number, request))
            stop = stop or not is_measured
            if stop or is_last or (save_every and step.number % save_every == 0):
                _save(run, step.number, watches, request, is_measured=is_measured)
                stop = stop or engine.processes.any(request.is_made)
            if stop:
                raise stopped(step.number, _checkpoint(run, step.number))
            started = time.perf_counter()


def saves(config: TrainConfig, total_steps: int) -> int:
    """How many checkpoints a run of so many steps writes."""
    every = in_steps(config.save_interval, total_steps)
    return -(-total_steps // every) if every else 1


def _step(
    run: Run,
    share: Share,
    request: StopRequest,
    watches: LossWatches,
    lr_scale: float,
    started: float,
    waited: float,
) -> bool:
    """Take one step; returns whether any rank has been asked to stop."""
    request.doing = "step"
    step, micro_batches = share
    engine, processes = run.engine, run.engine.processes
    torch.manual_seed(_seed(run.config.seed, step.number, processes.rank))
    losses = [
        engine.forward_backward(batch if batch is None else run.sight.see(batch), step.label_tokens)
        for batch in micro_batches
    ]
    own = float(torch.stack(losses).sum())
    summed, asked = processes.total([own, float(request.is_made)])
    loss = summed / step.label_tokens
    watch = watches.of(step)
    check_loss(watch, loss, step, run.rows, on_spike=run.config.on_spike, emit=run.emit)
    grad_norm, lr = engine.step(lr_scale)
    check_gradients(grad_norm, step, run.rows)
    watch.remember(loss)
    run.emit(
        Stepped(
            step=step.number,
            total_steps=run.plan.total_steps,
            epoch=step.epoch,
            loss=loss,
            lr=lr,
            grad_norm=grad_norm,
            samples=len(step.plan.samples),
            tokens=step.tokens,
            label_tokens=step.label_tokens,
            seconds=time.perf_counter() - started,
            data_seconds=waited,
            memory_bytes=peak_memory(processes.device),
        )
    )
    return asked > 0


def _evaluate(run: Run, step: int, request: StopRequest) -> bool:
    """Measure behind a step; returns False where a request to stop has cut it."""
    request.doing = "evaluation"
    try:
        return run.evaluation.run(run.engine, step=step, emit=run.emit, request=request)
    finally:
        request.doing = "step"


def _save(
    run: Run, step: int, watches: LossWatches, request: StopRequest, *, is_measured: bool
) -> None:
    request.doing = "saving"
    start = time.perf_counter()
    state = RunState(step, run.engine.processes.world, watches.state(), is_measured)
    path = run.checkpoints.save(run.engine, state)
    run.emit(Saved(step=step, path=path, is_final=False, seconds=time.perf_counter() - start))


def _checkpoint(run: Run, step: int) -> Path:
    return run.config.out / f"checkpoint-{step}"


def _seed(seed: int, step: int, rank: int) -> int:
    """Random numbers of a step: its own on every rank, and the same after a restart."""
    return hash((seed, step, rank)) & 0x7FFF_FFFF_FFFF_FFFF  # of whole numbers: fixed
