# SPDX-License-Identifier: Apache-2.0
"""The end of a run: the model in its directory, read again and compared.

The files come into `OUT` one by one out of a directory that is whole, `config.json` last: until
then `OUT` is no model, and a run that is killed in between saves again from its last checkpoint.
`provenance.json` says at the end that the model is finished and proven.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from yuren_core import __version__
from yuren_core.errors import StorageError
from yuren_core.i18n import tr
from yuren_core.model.adapter_files import ADAPTER_CONFIG, fingerprint
from yuren_core.model.checkpoint import write_model_directory
from yuren_core.model.loading import LoadedModel, base_directory, load_model, load_tower
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig
from yuren_core.model.quantization import Precision
from yuren_core.model.vision_tower import VisionTower
from yuren_core.paths import atomic_write, storing
from yuren_core.protocol import Device, LoadMode
from yuren_train.config import TrainConfig
from yuren_train.data.samples import Sample
from yuren_train.training.adapter_saving import save_adapter
from yuren_train.training.cpu_layers import use_plain_layers
from yuren_train.training.freezing import FreezingTable
from yuren_train.training.sight import look_at

PROVENANCE = "provenance.json"
_DRAFT = ".model"
_MARKS = ("config.json", ADAPTER_CONFIG)  # what makes a directory a model: they come last
_PROBED = 256  # tokens that the saved model is compared on, unless they are a picture's
_ROUNDING = 0.1
"""Of the logits' standard deviation: how far those of an adapter may be in the mean, since it is
rounded once it is merged. That its tensors are the same to the bit is checked before."""


def finished(out: Path) -> float | None:
    """The proof of the model that a run has finished in `out`; None where there is none."""
    try:
        proof = json.loads((out / PROVENANCE).read_text(encoding="utf-8"))["proof"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return float(proof) if any((out / mark).is_file() for mark in _MARKS) else None


def model_bytes(table: FreezingTable, config: TrainConfig) -> int:
    """About what the finished model takes: an adapter its own weights, a model all of them."""
    return 4 * (table.parameters if config.method == "full" else table.trainable)


def conclude(
    model: nn.Module | None,
    loaded: LoadedModel,
    config: TrainConfig,
    sample: Sample,
    *,
    steps: int,
) -> float:
    """Write what was trained into `config.out`, load it again and compare the two.

    Args:
        model: whole, in PEFT's wrapping or without; a full one is cast to the dtype of the run,
            and is of no use for training after that. None on all ranks but the first, which
            do nothing.
        loaded: what the run started from.
        config: of the run.
        sample: what both are given, with its pictures; each sees them by its own tower.
        steps: that were taken.

    Returns:
        The largest difference of a logit.

    Raises:
        StorageError: it cannot be written, or is not the same when it is read again.
    """
    if model is None:
        return 0.0
    if not isinstance(model, PeftModel):
        _cast(model, torch.bfloat16 if config.dtype == "bf16" else torch.float32)
    device = next(model.parameters()).device
    logits = _probe(model, sample, loaded.vision_tower)
    _write(model, loaded, config, {"config": asdict(config), "steps": steps})
    load: LoadMode = "4bit" if config.method == "qlora" else config.dtype
    again = load_model(str(config.out), load=load, device=_kind(device))
    apart = (logits - _probe(again.model, sample, again.vision_tower)).abs()
    difference = float(apart.max())
    if config.method == "full":
        is_same = difference == 0.0
    else:
        is_same = float(apart.mean()) <= _ROUNDING * float(logits.std())
    if not is_same:
        raise StorageError(
            tr("error.training.proof", path=config.out, difference=f"{difference:.3g}"),
            tr("error.training.proof_hint"),
        )
    told = json.loads((config.out / PROVENANCE).read_text(encoding="utf-8"))
    atomic_write(config.out / PROVENANCE, _json({**told, "proof": difference}))
    return difference


def _cast(model: nn.Module, dtype: torch.dtype) -> None:
    """Weights alone: the rotary frequencies are buffers, and must keep their bits."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def _write(
    model: nn.Module, loaded: LoadedModel, config: TrainConfig, provenance: dict[str, Any]
) -> None:
    draft = config.out / _DRAFT
    for left in (draft, *config.out.glob(f".{_DRAFT}.*")):  # of a process that was killed here
        shutil.rmtree(left, ignore_errors=True)
    base = {"name": config.model, "fingerprint": fingerprint(loaded.path)}
    told = json.loads(_json({"yuren": __version__, "base": base, **provenance}))
    if isinstance(model, PeftModel):
        save_adapter(draft, model, base=loaded, ref=config.model, provenance=told)
    else:
        assert isinstance(model, LlamaForCausalLM)
        write_model_directory(
            draft,
            model=model,
            tokenizer=loaded.tokenizer.tokenizer,
            image_tokens=loaded.tokenizer.image_tokens,
            vision_tower=_whole_tower(loaded),
            sampling=loaded.sampling,
            provenance=told,
        )
    _move_in(draft, config.out)


def _whole_tower(loaded: LoadedModel) -> VisionTower | None:
    """The tower as its files have it: the run may compute with a rounded one."""
    config = loaded.model.config
    if loaded.vision_tower is None or not isinstance(config, MultimodalLlamaConfig):
        return None
    precision = Precision(torch.device("cpu"), torch.float32, "none", "fp32")
    return load_tower(base_directory(loaded.path), config, precision)


@torch.no_grad()
def _probe(model: nn.Module, sample: Sample, tower: VisionTower | None) -> Tensor:
    """Logits (T, V) in fp32 of a sample, by transformers' own attention."""
    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    device = next(model.parameters()).device
    seen: dict[str, Tensor] = {}
    length = _PROBED
    if tower is not None and sample.images:
        seen["image_features"] = look_at(tower, sample.images).to(device)
        length = len(sample.input_ids)
    ids = torch.tensor(sample.input_ids[:length], dtype=torch.int64, device=device)[None]
    use_plain_layers(inner)
    inner.set_attn_implementation("sdpa")
    inner.eval()
    logits: Tensor = inner(input_ids=ids, use_cache=False, **seen).logits
    return logits[0].float()


def _kind(device: torch.device) -> Device:
    return "cuda" if device.type == "cuda" else "mps" if device.type == "mps" else "cpu"


def _move_in(draft: Path, out: Path) -> None:
    """Bring the files of a whole directory to their place; what makes it a model comes last."""
    with storing(out):
        for mark in _MARKS:
            (out / mark).unlink(missing_ok=True)
        for stale in (*out.glob("*.safetensors"), *out.glob("*.safetensors.index.json")):
            stale.unlink()
        for file in sorted(draft.iterdir(), key=lambda file: file.name in _MARKS):
            place = out / file.name
            if place.is_dir():
                shutil.rmtree(place)
            file.replace(place)
        draft.rmdir()


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str) + "\n"
