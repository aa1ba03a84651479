# SPDX-License-Identifier: Apache-2.0
"""Write what LoRA has trained as an adapter directory, whole or not at all, and read it back.

PEFT's layout, so that PEFT and other servers read it too; beside it the tokenizer with its chat
template, and `provenance.json`, which says by its fingerprint what base it belongs to. The
weights of the base are never written, least of all its 4-bit ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from yuren_core.chatml import chat_template
from yuren_core.errors import StorageError
from yuren_core.i18n import tr
from yuren_core.model.adapter_files import (
    ADAPTER_WEIGHTS,
    PROJECTOR_WEIGHTS,
    fingerprint,
    read_adapter,
)
from yuren_core.model.checkpoint import read_tensors
from yuren_core.model.loading import LoadedModel
from yuren_core.paths import atomic_directory, storing
from yuren_train.training.trained_rows import ADAPTER


def save_adapter(target: Path, model: PeftModel, **values: Any) -> None:
    """Write an adapter directory; one that is there already is replaced at the end.

    Args:
        target: its final place.
        model: as `lora.prepare` made it.
        **values: as `write_adapter` takes them.

    Raises:
        StorageError: it cannot be written, or does not read back as it was written.
    """
    with atomic_directory(target) as draft:
        write_adapter(draft, model, **values)


def write_adapter(
    directory: Path,
    model: PeftModel,
    *,
    base: LoadedModel,
    ref: str,
    provenance: Mapping[str, object] | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> None:
    """Write an adapter's files into a directory that is there, and read them back.

    Args:
        directory: where to; files of the same names are replaced.
        model: as `lora.prepare` made it.
        base: what it was made from.
        ref: how the base was named: a directory or hub id.
        provenance: what else to keep in `provenance.json`.
        state: whole trained tensors by parameter name, where the model holds only its share of
            them (ZeRO-3); the projector's too, where it was trained.

    Raises:
        StorageError: they cannot be written, or do not read back as they were written.
    """
    trained = dict(state) if state is not None else _trained(model)
    projector = {
        f"model.mm_projector.{name.rpartition('.')[2]}": _on_cpu(tensor)
        for name, tensor in trained.items()
        if ".mm_projector." in name and ".lora_" not in name
    }
    tensors = {
        name: _on_cpu(tensor)
        for name, tensor in get_peft_model_state_dict(
            model, state_dict=trained, adapter_name=ADAPTER, save_embedding_layers=False
        ).items()
    }
    config: Any = deepcopy(model.peft_config[ADAPTER])
    config.inference_mode = True
    config.base_model_name_or_path = _lasting(ref)
    origin = {
        "ref": ref,
        "path": str(base.path),
        "fingerprint": fingerprint(base.path),
        "precision": base.precision.name,
    }
    text = json.dumps({**(provenance or {}), "base": origin}, indent=2, ensure_ascii=False)
    tokenizer = base.tokenizer.tokenizer
    tokenizer.chat_template = chat_template(base.tokenizer.image_tokens)
    with storing(directory):
        _save(tensors, directory / ADAPTER_WEIGHTS)
        if projector:
            _save(projector, directory / PROJECTOR_WEIGHTS)
        config.save_pretrained(str(directory))
        tokenizer.save_pretrained(directory)
        (directory / "provenance.json").write_text(text + "\n", encoding="utf-8")
        for file in directory.glob("*.safetensors"):  # safetensors makes them private
            file.chmod((directory / "provenance.json").stat().st_mode)
    _compare(directory, {ADAPTER_WEIGHTS: tensors, PROJECTOR_WEIGHTS: projector})


def _trained(model: PeftModel) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}


def _on_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def _lasting(ref: str) -> str:
    """A directory by its whole path, since an adapter is used from other places; a hub id as is."""
    path = Path(ref).expanduser()
    return str(path.resolve()) if path.exists() else ref


def _save(tensors: dict[str, Tensor], file: Path) -> None:
    try:
        save_file(tensors, file, metadata={"format": "pt"})
    except SafetensorError as error:  # a full disk, in safetensors' own words
        raise OSError(str(error)) from error


def _compare(directory: Path, files: Mapping[str, Mapping[str, Tensor]]) -> None:
    read_adapter(directory)
    for file, written in files.items():
        read = dict(read_tensors(directory / file)) if written else {}
        for name in written.keys() | read.keys():
            if (
                name not in written
                or name not in read
                or not torch.equal(read[name], written[name])
            ):
                raise StorageError(
                    tr("error.checkpoint.read_back", name=name), tr("error.checkpoint.try_again")
                )
