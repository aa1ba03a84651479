# SPDX-License-Identifier: Apache-2.0
"""What DeepSpeed is told: a ZeRO stage from `assets/deepspeed/` or a person's own JSON.

Optimizer, learning rates, batch, clipping and precision come from the run alone. A file that
says something else about them is refused with all that it contradicts: DeepSpeed would obey the
file in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yuren_core.errors import UsageError
from yuren_core.i18n import reason_of, tr
from yuren_core.shipped import assets_dir
from yuren_train.config import TrainConfig

Settings = dict[str, Any]

_AUTO = "auto"
_BLOCKS = {"optimizer": "optimizer, lr, weight_decay, adam_betas", "scheduler": "schedule, warmup"}


def deepspeed_settings(config: TrainConfig, world: int) -> Settings:
    """The configuration that `deepspeed.initialize` gets.

    Args:
        config: of the run; `zero` and `offload`, or `deepspeed`, say where to begin.
        world: processes.

    Raises:
        UsageError: the person's file is no JSON object, contradicts the run, or wants an
            optimizer offloaded that cannot be.
    """
    path = config.deepspeed or _shipped(config)
    given = _read(path)
    wanted = _wanted(config, world, zero_stage(given))
    if conflicts := list(_conflicts(given, wanted)):
        raise UsageError(
            tr("error.deepspeed.overrides", path=path, conflicts="\n  ".join(conflicts)),
            tr("error.deepspeed.overrides_hint"),
        )
    settings = _merged(given, wanted)
    if offloads_optimizer(settings) and config.optimizer != "adamw":
        raise UsageError(
            tr("error.deepspeed.offload_optimizer", optimizer=config.optimizer),
            tr("error.deepspeed.offload_optimizer_hint"),
        )
    return settings


@dataclass(frozen=True, slots=True)
class ZeroPlacement:
    """What of a run DeepSpeed shares out over its processes, and what it keeps off the device.

    Attributes:
        stage: ZeRO's; 0 shares nothing.
        states_offloaded: whether optimizer states lie elsewhere, and with them gradients.
        weights_offloaded: whether weights do too, at stage 3.
    """

    stage: int = 0
    states_offloaded: bool = False
    weights_offloaded: bool = False


def zero_placement(config: TrainConfig) -> ZeroPlacement:
    """What the JSON of a run says, a person's own or one of ours; without DeepSpeed, nothing.

    Raises:
        UsageError: the person's file is no JSON object of DeepSpeed's.
    """
    if config.zero is None and config.deepspeed is None:
        return ZeroPlacement()
    settings = _read(config.deepspeed or _shipped(config))
    stage = zero_stage(settings)
    return ZeroPlacement(
        stage,
        stage > 0 and _offloads(settings, "offload_optimizer"),
        stage == 3 and _offloads(settings, "offload_param"),
    )


def zero_stage(settings: Mapping[str, Any]) -> int:
    """The ZeRO stage of a configuration."""
    return int(settings.get("zero_optimization", {}).get("stage", 0))


def offloads_optimizer(settings: Mapping[str, Any]) -> bool:
    """Whether optimizer states lie in the CPU's memory."""
    return _offloads(settings, "offload_optimizer")


def _offloads(settings: Mapping[str, Any], block: str) -> bool:
    offload = settings.get("zero_optimization", {}).get(block)
    return isinstance(offload, Mapping) and offload.get("device", "none") not in ("none", None)


def _shipped(config: TrainConfig) -> Path:
    offload = "_offload" if config.offload and config.zero in (2, 3) else ""
    return assets_dir() / "deepspeed" / f"zero{config.zero or 0}{offload}.json"


def _read(path: Path) -> Settings:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, reason_of(error)) from error
    if not isinstance(value, dict):
        raise _unreadable(path, type(value).__name__)
    block = value.get("zero_optimization", {})
    if not isinstance(block, dict) or block.get("stage", 0) not in range(4):
        raise _unreadable(path, f"zero_optimization: {json.dumps(block)}")
    return value


def _unreadable(path: Path, reason: str) -> UsageError:
    return UsageError(
        tr("error.deepspeed.unreadable", path=path, reason=reason),
        tr("error.deepspeed.unreadable_hint"),
    )


def _wanted(config: TrainConfig, world: int, stage: int) -> Settings:
    # At stage 0 DeepSpeed's bf16 has no fp32 sums: there the weights are fp32, under autocast.
    in_bf16 = config.dtype == "bf16" and stage > 0
    return {
        "train_micro_batch_size_per_gpu": config.batch_size,
        "gradient_accumulation_steps": config.grad_accum,
        "train_batch_size": config.batch_size * config.grad_accum * world,
        "gradient_clipping": config.max_grad_norm,
        "bf16": {"enabled": in_bf16},
        "fp16": {"enabled": False},
    }


_OURS: Settings = {
    "data_types": {"grad_accum_dtype": "fp32"},
    "zero_allow_untested_optimizer": True,
    "zero_force_ds_cpu_optimizer": False,
    "steps_per_print": 1 << 30,
    "wall_clock_breakdown": False,
}
"""What a file may say otherwise."""


def _conflicts(given: Settings, wanted: Settings) -> Iterator[str]:
    for name, options in _BLOCKS.items():
        if given.get(name) not in (None, _AUTO):
            yield tr("error.deepspeed.block", name=name, options=options)
    for name, value in wanted.items():
        found = given.get(name, _AUTO)
        if isinstance(value, dict):
            found = found.get("enabled", _AUTO) if isinstance(found, dict) else found
            name, value = f"{name}.enabled", value["enabled"]
        if found not in (_AUTO, value):
            yield tr("error.deepspeed.value", name=name, found=found, wanted=value)


def _merged(given: Settings, wanted: Settings) -> Settings:
    """The file, with what is ours where it is silent, and without what is left to us by "auto"."""
    kept = {
        name: {key: one for key, one in value.items() if one != _AUTO}
        if isinstance(value, dict)
        else value
        for name, value in given.items()
        if value != _AUTO and name not in _BLOCKS
    }
    for name, value in wanted.items():
        own = kept.get(name)
        kept[name] = {**own, **value} if isinstance(own, dict) else value
    return {**_OURS, **kept}
