# SPDX-License-Identifier: Apache-2.0
"""The options of a stage: one for each field of `TrainConfig`, under its own name.

An option that is not typed says nothing, so that YAML and defaults speak: none has a default
of its own here.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from yuren_train.commands.launch_options import launch_options
from yuren_train.config import Stage
from yuren_train.config.settling import HINTS, NAMES
from yuren_train.config.yaml_file import read_yaml

_Command = Callable[..., Any]

HELP: Mapping[str, str] = {
    "model": "Directory or hub id to start from; in stage 1 the starter by default.",
    "data": "File to learn from, FILE or FILE:WEIGHT; may be given often.",
    "eval_data": "File to measure the loss on; may be given often.",
    "eval_split": "Without --eval-data: fraction of the rows to keep for it.",
    "images": "What pictures' paths are relative to.",
    "out": "The run's directory, in the end a model directory.",
    "epochs": "Passes over the data.",
    "max_steps": "End after this many optimizer steps; 0 is no limit.",
    "max_length": "Tokens of one row.",
    "batch_size": "Rows (or packed rows) of one device and forward pass.",
    "grad_accum": "Forward passes of one optimizer step.",
    "order": "Pack rows together, group rows of like length, or only shuffle.",
    "lr": "Peak learning rate.",
    "projector_lr": "The projector's own learning rate.",
    "schedule": "How the learning rate falls.",
    "warmup": "Steps, or below 1 the fraction of all steps.",
    "weight_decay": "Of matrices.",
    "max_grad_norm": "Scale gradients down to this norm; 0 turns it off.",
    "optimizer": "AdamW in fp32 or with 8-bit states.",
    "adam_betas": "AdamW's two betas.",
    "lora_rank": "Rank of the LoRA matrices.",
    "lora_alpha": "LoRA is scaled by alpha / rank.",
    "lora_dropout": "Dropout before LoRA.",
    "lora_targets": "A linear that gets a LoRA; may be given often.",
    "dtype": "What products are computed in.",
    "tf32": "Let CUDA round fp32 products to TF32.",
    "gradient_checkpointing": "Compute layers twice, to save memory.",
    "log_interval": "Steps, or below 1 a fraction of all steps.",
    "eval_interval": "Likewise; 0 is never.",
    "save_interval": "Likewise; 0 is only at the end.",
    "keep_checkpoints": "How many of the newest stay.",
    "on_spike": "At a loss that leaps: stop, say so and go on, or neither.",
    "sample_prompts": "A question for each evaluation; @FILE before it shows a picture. Often.",
    "seed": "Fixes the order of rows and all that is drawn.",
    "workers": "Processes that prepare data; 0 is all cores.",
    "zero": "DeepSpeed's ZeRO stage; without it and --deepspeed, no DeepSpeed.",
    "offload": "With --zero 2 or 3: keep states in the CPU's memory.",
    "deepspeed": "A DeepSpeed JSON of your own.",
    "report_to": "A tracker: wandb, swanlab, trackio; may be given often.",
    "run_name": "What trackers call the run.",
    "on_bad_image": "At a missing or broken picture.",
    "cache_features": "Keep the tower's outputs here, over epochs and runs.",
}

WITHOUT: Mapping[Stage, frozenset[str]] = {
    "stage1": frozenset({"images", "projector_lr", "on_bad_image", "cache_features"}),
    "stage2": frozenset(
        {"method", "projector_lr", "lora_rank", "lora_alpha", "lora_dropout", "lora_targets"}
    ),
    "stage3": frozenset(),
}
"""What means nothing in a stage: it has no such option, and shows none."""

_METAVARS = {"model": "DIR|ID", "data": "FILE[:WEIGHT]", "eval_data": "FILE", "out": "DIR"}


def _with_known_keys(_: click.Context, __: click.Parameter, file: Path | None) -> Path | None:
    """Refuse a file with keys that mean nothing before torch is loaded, which takes a while."""
    if file is not None:
        read_yaml(file, NAMES)
    return file


_CONFIG = click.option(
    "--config",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_with_known_keys,
    help="A YAML file with any of the values below; what is typed goes first.",
)
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Print what would be done, and stop.")


def stage_options(stage: Stage) -> Callable[[_Command], _Command]:
    """A decorator that gives a command `--config`, `--dry-run`, every option of a run and a launch.

    Args:
        stage: whose options.
    """

    def decorate(command: _Command) -> _Command:
        command = launch_options(command)
        for name in reversed(NAMES):
            if name not in WITHOUT[stage]:
                command = _option(name)(command)
        return _CONFIG(_DRY_RUN(command))

    return decorate


def typed(options: Mapping[str, Any]) -> dict[str, Any]:
    """What was really typed, by the names of `TrainConfig`."""
    return {
        name: value for name, value in options.items() if name in NAMES and value not in (None, ())
    }


def _option(name: str) -> Callable[[_Command], _Command]:
    flag = f"--{name.replace('_', '-')}"
    if name == "method":
        return _method
    hint = HINTS[name]
    choices = [item for item in _flat(hint) if not isinstance(item, type)]
    if bool in _flat(hint):
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=HELP[name])
    if name == "adam_betas":
        return click.option(flag, name, type=float, nargs=2, default=None, help=HELP[name])
    kind: Any = str
    callback: Callable[..., Any] | None = None
    if choices:
        if isinstance(choices[0], int):
            callback = _whole_number
        kind = click.Choice([str(item) for item in choices])
    elif Path in _flat(hint):
        kind = click.Path(path_type=Path)
    elif name not in ("data", "eval_data"):
        kind = next(item for item in _flat(hint) if item is not type(None))
    many = typing.get_origin(hint) is tuple
    return click.option(
        flag,
        name,
        type=kind,
        multiple=many,
        default=None,
        callback=callback,
        help=HELP[name],
        metavar=_METAVARS.get(name),
    )


def _whole_number(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    return None if value is None else int(value)


def _method(command: _Command) -> _Command:
    for flag, text in (
        ("full", "Train every weight (the default)."),
        ("lora", "Train a LoRA."),
        ("qlora", "Train a LoRA on a 4-bit base."),
    ):
        command = click.option(f"--{flag}", "method", flag_value=flag, default=None, help=text)(
            command
        )
    return command


def _flat(hint: Any) -> tuple[Any, ...]:
    """The types and literals that a hint is made of."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) in (
        typing.Union,
        typing.Literal,
        tuple,
    ):
        arguments = (item for item in typing.get_args(hint) if item is not ...)
        return tuple(item for argument in arguments for item in _flat(argument))
    return (hint,)
