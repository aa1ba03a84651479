# SPDX-License-Identifier: Apache-2.0
"""Supervised fine-tuning as it is the same in all stages; a stage says what is its own.

Read from top to bottom: load, freeze, data, train, save, prove.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers.utils import logging

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.model.loading import LoadedModel
from yuren_train.config import TrainConfig
from yuren_train.training import lora
from yuren_train.training.anomalies import naming_memory
from yuren_train.training.checkpoints import Checkpoints, identity
from yuren_train.training.engine_choice import make_engine, uses_deepspeed
from yuren_train.training.evaluation import Evaluation
from yuren_train.training.events import (
    Event,
    Finished,
    Listener,
    PhaseStarted,
    PicturesSeen,
    Saved,
    Started,
)
from yuren_train.training.freezing import freezing_table
from yuren_train.training.learner import Learner
from yuren_train.training.loop import Run, run_steps, saves
from yuren_train.training.processes import join
from yuren_train.training.rows import RunRows, read_rows, rows_with_pictures
from yuren_train.training.run_plan import RunPlan
from yuren_train.training.saving import conclude, finished, model_bytes
from yuren_train.training.sight import Sight


@dataclass(frozen=True, slots=True)
class StageRules:
    """What is a stage's own.

    Attributes:
        freeze: makes of what was loaded the model with what learns in it.
        needs_sight: refuse a model without projector and tower.
        pictures_only: leave out rows without pictures, from which nothing would be learned.
    """

    freeze: Callable[[LoadedModel, TrainConfig], nn.Module]
    needs_sight: bool = False
    pictures_only: bool = False


def fine_tune(config: TrainConfig, rules: StageRules, *, on_event: Listener) -> Path:
    """Run a stage, or go on with it where it was left.

    Args:
        config: of the run, complete.
        rules: of its stage.
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
        logging.set_verbosity_error()  # it wonders at our model_type
        start = time.perf_counter()

        # Load
        emit(PhaseStarted(phase="model"))
        loaded = lora.load_base(config)
        if rules.needs_sight and loaded.vision_tower is None:
            raise UsageError(
                tr("error.config.blind", model=config.model),
                tr("error.config.blind_hint", model=config.model),
            )

        # Freeze
        learner = Learner(rules.freeze(loaded, config))
        table = freezing_table(learner.model)

        # Data
        emit(PhaseStarted(phase="data"))
        rows = read_rows(config, loaded.tokenizer, processes, emit)
        if rules.pictures_only:
            rows = rows_with_pictures(rows, emit)
        plan = RunPlan(rows.learned, config, processes.world)
        checkpoints = Checkpoints(config.out, keep=config.keep_checkpoints, processes=processes)
        checkpoints.claim(identity(config, loaded.path, rows.learned, processes.world))
        if (proof := finished(config.out)) is not None:
            emit(Finished(step=plan.total_steps, out=config.out, seconds=0.0, proof=proof))
            return config.out
        sight = Sight(loaded.vision_tower, config, processes)
        if config.cache_features is not None:
            emit(PhaseStarted(phase="pictures"))
            sight.keep(
                _pictures(rows, plan),
                lambda done, total: emit(PicturesSeen(done=done, total=total)),
            )

        # Train
        emit(PhaseStarted(phase="engine"))
        with naming_memory(config, processes.device):
            engine = make_engine(
                learner,
                config,
                processes,
                lambda: rules.freeze(lora.load_base(config, device="cpu"), config),
            )
        checkpoints.require_space(
            engine.checkpoint_bytes,
            model_bytes(table, config),
            saves=saves(config, plan.total_steps),
        )
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
        evaluation = Evaluation(rows.measured, config.sample_prompts, loaded, config, sight)
        run = Run(config, engine, rows.learned, plan, checkpoints, evaluation, emit, sight)
        run_steps(run, resumed)

        # Save and prove
        emit(PhaseStarted(phase="result"))
        saving = time.perf_counter()
        probed = rows.learned[int(rows.learned.image_counts.argmax())]
        with engine.whole_model() as model:
            proof = conclude(model, loaded, config, probed, steps=plan.total_steps)
        processes.wait()
        done = time.perf_counter()
        emit(Saved(step=plan.total_steps, path=config.out, is_final=True, seconds=done - saving))
        emit(Finished(step=plan.total_steps, out=config.out, seconds=done - start, proof=proof))
        return config.out


def _pictures(rows: RunRows, plan: RunPlan) -> dict[str, str]:
    """Paths by sha256 of all pictures that the run will see."""
    places = {place for step in plan.steps() for place in step.plan.samples}
    pictures = rows.learned.pictures(sorted(places))
    if rows.measured is not None:
        pictures |= rows.measured.pictures(range(len(rows.measured)))
    return pictures


def _tell_nobody(event: Event) -> None:
    pass
