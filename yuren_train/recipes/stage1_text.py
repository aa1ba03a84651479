# SPDX-License-Identifier: Apache-2.0
"""Stage 1: a language model learns to answer, from text alone.

Read from top to bottom: load, freeze, data, train, save, prove.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import nn
from transformers.utils import logging

from yuren_core.model.loading import LoadedModel
from yuren_train.config import TrainConfig
from yuren_train.training import lora
from yuren_train.training.checkpoints import Checkpoints, identity
from yuren_train.training.engine_choice import make_engine, uses_deepspeed
from yuren_train.training.evaluation import Evaluation
from yuren_train.training.events import (
    Event,
    Finished,
    Listener,
    PhaseStarted,
    Saved,
    Started,
)
from yuren_train.training.freezing import freezing_table, train_all
from yuren_train.training.learner import Learner
from yuren_train.training.loop import Run, run_steps
from yuren_train.training.processes import join
from yuren_train.training.rows import read_rows
from yuren_train.training.run_plan import RunPlan
from yuren_train.training.saving import conclude, finished, model_bytes


def train(config: TrainConfig, *, on_event: Listener) -> Path:
    """Run stage 1, or go on with it where it was left.

    Args:
        config: of the run, complete.
        on_event: told every event, on rank 0.

    Returns:
        The model directory, `config.out`.

    Raises:
        YurenError: of one kind or another; its message says what to do.
    """
    with join(group_of_one=uses_deepspeed(config)) as processes:
        emit = on_event if processes.is_first else _tell_nobody
        torch.backends.cuda.matmul.allow_tf32 = config.tf32
        logging.disable_progress_bar()
        start = time.perf_counter()

        # Load
        emit(PhaseStarted(phase="model"))
        loaded = lora.load_base(config)

        # Freeze
        learner = Learner(freeze(loaded, config))
        table = freezing_table(learner.model)

        # Data
        emit(PhaseStarted(phase="data"))
        rows = read_rows(config, loaded.tokenizer, processes, emit)
        plan = RunPlan(rows.learned, config, processes.world)
        checkpoints = Checkpoints(config.out, keep=config.keep_checkpoints, processes=processes)
        checkpoints.claim(identity(config, rows.learned, processes.world))
        if (proof := finished(config.out)) is not None:
            emit(Finished(step=plan.total_steps, out=config.out, seconds=0.0, proof=proof))
            return config.out

        # Train
        emit(PhaseStarted(phase="engine"))
        engine = make_engine(
            learner, config, processes, lambda: freeze(lora.load_base(config, device="cpu"), config)
        )
        checkpoints.require_space(engine.checkpoint_bytes, model_bytes(table))
        resumed = checkpoints.load(engine)
        emit(
            Started(
                config=config,
                step=resumed.step if resumed else 0,
                total_steps=plan.total_steps,
                rows=len(rows.learned),
                tokens=int(rows.learned.lengths.sum()),
                label_tokens=int(rows.learned.label_counts.sum()),
                packing_efficiency=plan.packing_efficiency,
                trainable_parameters=table.trainable,
                parameters=table.parameters,
                world=processes.world,
                device=str(processes.device),
                device_name=processes.device_name,
            )
        )
        evaluation = Evaluation(rows.measured, config.sample_prompts, loaded, config)
        run_steps(Run(config, engine, rows.learned, plan, checkpoints, evaluation, emit), resumed)

        # Save and prove
        emit(PhaseStarted(phase="result"))
        saving = time.perf_counter()
        with engine.whole_model() as model:
            proof = conclude(
                model, loaded, config, rows.learned[0].input_ids, steps=plan.total_steps
            )
        processes.wait()
        done = time.perf_counter()
        emit(Saved(step=plan.total_steps, path=config.out, is_final=True, seconds=done - saving))
        emit(Finished(step=plan.total_steps, out=config.out, seconds=done - start, proof=proof))
        return config.out


def freeze(loaded: LoadedModel, config: TrainConfig) -> nn.Module:
    """The model with what learns in it: all of it, or matrices beside a frozen base."""
    if config.method == "full":
        train_all(loaded.model)
        return loaded.model
    return lora.prepare(loaded.model, config, lora.trained_token_ids(loaded.tokenizer))


def _tell_nobody(event: Event) -> None:
    pass
