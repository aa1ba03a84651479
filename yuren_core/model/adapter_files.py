# SPDX-License-Identifier: Apache-2.0
"""Adapter directories in PEFT's layout, and where their bases are.

    adapter_config.json        base_model_name_or_path, r, lora_alpha, ...
    adapter_model.safetensors  lora_A, lora_B, rows of trained tokens
    mm_projector.safetensors   model.mm_projector.*, where it was trained
    tokenizer*  chat_template.jinja  provenance.json

Plain LoRA is read and nothing that PEFT can add to it. A base is used only where it is the one
that the adapter was trained on, as far as the adapter says which that was.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from yuren_core.errors import DamagedCheckpointError, ModelFormatError, ModelNotFoundError
from yuren_core.i18n import tr
from yuren_core.model.adapters import Adapter
from yuren_core.model.checkpoint import read_tensors, weight_files
from yuren_core.paths import models_dir

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
PROJECTOR_WEIGHTS = "mm_projector.safetensors"

_BESIDE_LORA = "non_lora_trainables.bin"
"""Where LLaVA's own training keeps the projector; without it the model would be blind."""

_ROWS = ".token_adapter.trainable_tokens_delta"
_PREFIX = "base_model.model."
_PROJECTOR = "model.mm_projector."
_WHOLE_MODEL = ("model.safetensors", "pytorch_model.bin")
_PLAIN: dict[str, tuple[object, ...]] = {
    "use_dora": (False, None),
    "bias": ("none", None),
    "modules_to_save": (None, []),
    "fan_in_fan_out": (False, None),
    "lora_bias": (False, None),
    "alpha_pattern": ({}, None),
}
"""Options of PEFT that would make more of an adapter than two matrices, and what turns them off."""

_CHANGES_BASE = ("pissa", "corda", "olora", "loftq", "lora_ga")
"""How `init_lora_weights` begins where PEFT takes from the base what the matrices start with."""

_SAMPLES, _SAMPLE_BYTES = 16, 1 << 16


def is_adapter(directory: Path) -> bool:
    """Whether a directory holds an adapter and no model of its own."""
    has_model = any(
        (directory / f"{name}{index}").is_file()
        for name in _WHOLE_MODEL
        for index in ("", ".index.json")
    )
    return (directory / ADAPTER_CONFIG).is_file() and not has_model


def read_adapter(directory: Path) -> Adapter:
    """Read an adapter directory.

    Raises:
        ModelFormatError: an adapter of another kind than plain LoRA, or one without a base.
        DamagedCheckpointError: a file is cut off, unreadable or lacks a part.
        UnsafeCheckpointError: a `.bin` that wants more than tensors.
    """
    config = _read_json(directory / ADAPTER_CONFIG)
    _refuse_what_is_not_plain(directory / ADAPTER_CONFIG, config)
    adapter = Adapter(
        directory,
        base=config["base_model_name_or_path"],
        trained_in_4bit=_base_as_trained(directory, "precision") == "4bit",
    )
    halves: dict[str, dict[str, Tensor]] = {}
    file = directory / ADAPTER_WEIGHTS
    if not file.is_file():
        file = file.with_suffix(".bin")
    if not file.is_file():
        raise _damaged("shard_missing", directory / ADAPTER_WEIGHTS)
    for name, tensor in read_tensors(file):
        layer, _, kind = name.removeprefix(_PREFIX).partition(".lora_")
        if kind in ("A.weight", "B.weight") and tensor.ndim == 2:
            halves.setdefault(layer, {})[kind[0]] = tensor
        elif layer.endswith(_ROWS) and tensor.ndim == 2:
            layer = layer.removesuffix(_ROWS)
            ids = torch.tensor(_trained_ids(config, layer), dtype=torch.int64)
            if len(ids) != len(tensor):
                raise ModelFormatError(
                    tr("error.adapter.rows", path=file, name=layer, rows=len(tensor)),
                    tr("error.adapter.rows_hint", file=directory / ADAPTER_CONFIG, ids=len(ids)),
                )
            adapter.rows[f"{layer}.weight"] = (ids, tensor)
        else:
            raise ModelFormatError(
                tr("error.adapter.tensor", path=file, name=name), tr("error.adapter.kind_hint")
            )
    for layer, half in halves.items():
        if len(half) != 2 or half["A"].shape[0] != half["B"].shape[1]:
            raise DamagedCheckpointError(
                tr("error.adapter.half", path=file, name=layer), tr("error.checkpoint.copy_again")
            )
        adapter.pairs[layer] = (half["A"], half["B"])
        rank = half["A"].shape[0]
        alpha = float(config.get("lora_alpha") or 8)
        adapter.scales[layer] = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    if (directory / PROJECTOR_WEIGHTS).is_file():
        for name, tensor in read_tensors(directory / PROJECTOR_WEIGHTS):
            adapter.replaced[_PROJECTOR + name.removeprefix(_PROJECTOR)] = tensor
    adapter.unused = {*adapter.pairs, *adapter.rows, *adapter.replaced}
    return adapter


def _trained_ids(config: dict[str, Any], layer: str) -> list[int]:
    """Token ids of `trainable_token_indices`: a list is meant for the input embedding."""
    chosen = config.get("trainable_token_indices")
    if isinstance(chosen, dict):
        chosen = next((ids for key, ids in chosen.items() if layer.endswith(key)), None)
    if not isinstance(chosen, list) or not all(type(i) is int and i >= 0 for i in chosen):
        return []
    return chosen


def _read_json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged("unreadable", path, reason=error) from error
    if not isinstance(raw, dict):
        raise _damaged("unreadable", path, reason=type(raw).__name__)
    return raw


def _refuse_what_is_not_plain(path: Path, config: dict[str, Any]) -> None:
    if (path.parent / _BESIDE_LORA).is_file():
        raise ModelFormatError(
            tr("error.adapter.beside", path=path.parent, file=_BESIDE_LORA),
            tr("error.adapter.beside_hint"),
        )
    if config.get("peft_type") != "LORA":
        raise ModelFormatError(
            tr("error.adapter.kind", path=path, found=repr(config.get("peft_type"))),
            tr("error.adapter.kind_hint"),
        )
    wrong = [option for option, off in _PLAIN.items() if config.get(option) not in off]
    if str(config.get("init_lora_weights")).lower().startswith(_CHANGES_BASE):
        wrong.append("init_lora_weights")
    for option in wrong:
        raise ModelFormatError(
            tr("error.adapter.option", path=path, option=option, value=repr(config[option])),
            tr("error.adapter.kind_hint"),
        )
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ModelFormatError(
            tr("error.adapter.no_base", path=path), tr("error.adapter.no_base_hint")
        )


def _damaged(key: str, path: Path, **values: object) -> DamagedCheckpointError:
    return DamagedCheckpointError(
        tr(f"error.checkpoint.{key}", path=path, **values), tr("error.checkpoint.copy_again")
    )


def find_base(adapter: Adapter, find: Callable[[str], Path]) -> Path:
    """The directory of an adapter's base, checked against what the adapter says of it.

    Args:
        adapter: whose base is wanted.
        find: from a directory or hub id to a directory, as `loading.find_model` does it.

    Raises:
        ModelNotFoundError: it is in none of the places where it could be.
        ModelFormatError: there is another model in its place.
    """
    for place in (places := list(_places(adapter))):
        if (place / "config.json").is_file():
            found = place
            break
    else:
        found = _fetch(adapter, find, places)
    trained_on = _base_as_trained(adapter.directory, "fingerprint")
    if trained_on is not None and trained_on != fingerprint(found):
        raise ModelFormatError(
            tr("error.adapter.other_base", path=adapter.directory, base=found),
            tr("error.adapter.other_base_hint", file=adapter.directory / "provenance.json"),
        )
    return found


def _places(adapter: Adapter) -> Iterator[Path]:
    """Where a base may be: where it was, beside its adapter, among the installed models."""
    named = Path(adapter.base).expanduser()
    yield named if named.is_absolute() else adapter.directory / named
    if not named.is_absolute():
        yield named
    yield adapter.directory.resolve().parent / named.name
    yield models_dir() / named.name


def _fetch(adapter: Adapter, find: Callable[[str], Path], places: list[Path]) -> Path:
    try:
        return find(adapter.base)
    except ModelNotFoundError as error:
        raise ModelNotFoundError(
            tr(
                "error.adapter.base_absent",
                path=adapter.directory,
                base=adapter.base,
                places=", ".join(str(place) for place in dict.fromkeys(places)),
            ),
            tr("error.adapter.base_absent_hint", file=adapter.directory / ADAPTER_CONFIG),
        ) from error


def _base_as_trained(directory: Path, what: Literal["fingerprint", "precision"]) -> str | None:
    """What an adapter's `provenance.json` says of its base, where there is one."""
    try:
        raw = json.loads((directory / "provenance.json").read_text(encoding="utf-8"))
        found = raw["base"][what]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def fingerprint(directory: Path) -> str:
    """What tells one model's weights from another's without reading them all.

    Returns:
        sha256, in hex, over the size of each weight file and pieces evenly spread over it; of an
        adapter, over its own weights.
    """
    digest = hashlib.sha256()
    is_whole = not is_adapter(directory)
    for file in weight_files(directory) if is_whole else directory.glob("adapter_model.*"):
        size = file.stat().st_size
        digest.update(f"{size}\n".encode())
        with file.open("rb") as stream:
            for piece in range(_SAMPLES):
                stream.seek(piece * max(0, size - _SAMPLE_BYTES) // (_SAMPLES - 1))
                digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()
