# SPDX-License-Identifier: Apache-2.0
"""Weight files become a model on its device.

Weights go one tensor at a time from the memory-mapped file to their device, changed, cast or
quantized on the way: at no time is there more than the finished model and one tensor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from yuren_core.errors import DamagedCheckpointError
from yuren_core.i18n import tr
from yuren_core.model.adapters import Adapter
from yuren_core.model.architectures import empty_model
from yuren_core.model.checkpoint import read_tensors, weight_files
from yuren_core.model.quantization import Precision, load_quantized, nf4_and_back, replace_linears
from yuren_core.protocol import LoadStage

Progress = Callable[[LoadStage, float | None], None]
"""Told the stage and its fraction, 0 to 1, or None where that is not known."""

Change = Callable[[str, Tensor], Tensor]
"""From a tensor of the file, with its name, to what is loaded in its place."""

Parts = Callable[[str, Tensor], Iterable[tuple[str, Tensor]]]
"""From a tensor of the file, with its name, to the model's own names and tensors."""

_log = logging.getLogger(__name__)


def tell_nobody(stage: LoadStage, fraction: float | None) -> None:
    """No progress."""


def as_it_is(name: str, tensor: Tensor) -> Tensor:
    """No change."""
    return tensor


def as_stored(name: str, tensor: Tensor) -> Iterable[tuple[str, Tensor]]:
    """The file has the model's names."""
    return [(name, tensor)]


def load_weights(
    directory: Path,
    config: LlamaConfig,
    precision: Precision,
    progress: Progress = tell_nobody,
    change: Change = as_it_is,
    parts: Parts = as_stored,
    extra_files: Sequence[Path] = (),
) -> LlamaForCausalLM:
    """The model of a directory, frozen, without tokenizer and tower.

    Args:
        directory: with weight files.
        config: of the model; its dtype is set.
        precision: how weights are held, and where.
        progress: told how it goes.
        change: what becomes of a tensor of the model, by its name, before it is cast.
        parts: what a tensor of the file is to the model, where its files have other names.
        extra_files: more weight files; what they hold again is the same.

    Raises:
        ModelFormatError, DamagedCheckpointError, UnsafeCheckpointError: as their docstrings say.
    """
    config.dtype = precision.dtype
    with torch.device("meta"):
        model = empty_model(config)
    projector = ("mm_projector", "mm_projector.0", "mm_projector.2")
    skip = projector if precision.scheme == "int8" else (*projector, "lm_head")
    replace_linears(model, precision, skip=skip)
    expected = {
        name
        for name in model.state_dict()
        if not name.endswith((".scale",)) and not (config.tie_word_embeddings and _is_head(name))
    }
    files = [*weight_files(directory), *extra_files]
    total = sum(file.stat().st_size for file in files)
    done = 0
    for file in files:
        stored = (part for whole in read_tensors(file) for part in parts(*whole))
        for name, tensor in stored:
            done += tensor.nbytes
            if name not in expected:
                _log.info("%s: %s is not part of the model", file, name)
                continue
            expected.discard(name)
            _place(model, name, change(name, tensor), precision, file)
            progress("weights", min(done / total, 1.0))
    if expected:
        raise DamagedCheckpointError(
            tr("error.loading.lacking", path=directory, name=min(expected), count=len(expected)),
            tr("error.loading.lacking_hint"),
        )
    if config.tie_word_embeddings:
        _tie(model, precision)
    # Rotary frequencies are no weights: computed anew, on the device, from the config.
    model.model.rotary_emb = type(model.model.rotary_emb)(config).to(precision.device)
    model.eval()
    model.requires_grad_(False)
    return model


def load_adapted(
    adapter: Adapter,
    directory: Path,
    config: LlamaConfig,
    precision: Precision,
    progress: Progress = tell_nobody,
    *,
    keep_apart: bool = False,
    dequantized: bool = False,
    parts: Parts = as_stored,
    extra_files: Sequence[Path] = (),
) -> LlamaForCausalLM:
    """The model of a base with an adapter put on it.

    Args:
        adapter: of which everything must fit.
        directory: the base's.
        config: as for `load_weights`, like the next two.
        precision: 4-bit keeps the adapter's matrices apart in any case.
        progress: told how it goes.
        keep_apart: leave the base's linear layers as they are, with the matrices beside them.
        dequantized: put the base's linear layers through 4 bits before something is added, so
            that an adapter meets the weights that it knew in training.
        parts, extra_files: as for `load_weights`.

    Raises:
        ModelFormatError: adapter and base do not fit; else as `load_weights`.
    """
    is_4bit = precision.scheme == "nf4"

    def change(name: str, tensor: Tensor) -> Tensor:
        is_linear = ".layers." in name and tensor.ndim == 2
        if dequantized and is_linear and not is_4bit:
            tensor = nf4_and_back(tensor, precision.device)
        return adapter.merge(name, tensor, keep_apart=keep_apart or is_4bit)

    model = load_weights(
        directory, config, precision, progress, change, parts=parts, extra_files=extra_files
    )
    adapter.attach(model, precision.dtype)
    return model


def _is_head(name: str) -> bool:
    return name.startswith("lm_head.")


def _place(model: nn.Module, name: str, tensor: Tensor, precision: Precision, file: Path) -> None:
    """Put one tensor of a file where it belongs, cast or quantized, on its device."""
    owner, _, leaf = name.rpartition(".")
    module = model.get_submodule(owner)
    wanted = (
        (module.out_features, module.in_features)
        if leaf == "weight" and hasattr(module, "out_features")
        else tuple(getattr(module, leaf).shape)
    )
    if tuple(tensor.shape) != wanted:
        raise DamagedCheckpointError(
            tr(
                "error.loading.shape",
                path=file,
                name=name,
                found=tuple(tensor.shape),
                wanted=wanted,
            ),
            tr("error.loading.shape_hint"),
        )
    value = tensor.to(precision.dtype) if tensor.is_floating_point() else tensor
    if leaf == "weight" and load_quantized(module, value, precision):
        return
    module.register_parameter(leaf, nn.Parameter(value.to(precision.device), requires_grad=False))


def _tie(model: LlamaForCausalLM, precision: Precision) -> None:
    embeddings = model.model.embed_tokens.weight
    if not load_quantized(model.lm_head, embeddings.data, precision):
        model.lm_head.weight = embeddings
