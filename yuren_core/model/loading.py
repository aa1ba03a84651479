# SPDX-License-Identifier: Apache-2.0
"""A directory or hub id becomes a model that is ready to run.

Weights go one tensor at a time from the memory-mapped file to their device, cast or quantized
on the way: at no time is there more than the finished model and one tensor. Impossible
combinations are refused before any weight is read. An adapter loads on its base.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from yuren_core.chatml import IMG_PATCH
from yuren_core.errors import (
    DamagedCheckpointError,
    DownloadError,
    ModelFormatError,
    ModelNotFoundError,
)
from yuren_core.i18n import tr
from yuren_core.model.adapter_files import find_base, is_adapter, read_adapter
from yuren_core.model.adapters import Adapter
from yuren_core.model.checkpoint import (
    VISION_TOWER_DIR,
    read_config,
    read_tensors,
    weight_files,
)
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig, MultimodalLlamaForCausalLM
from yuren_core.model.quantization import (
    Precision,
    choose_precision,
    load_quantized,
    replace_linears,
)
from yuren_core.model.tokenization import ChatTokenizer
from yuren_core.model.vision_tower import VisionTower
from yuren_core.protocol import Device, LoadMode, LoadStage

Progress = Callable[[LoadStage, float | None], None]
"""Told the stage and its fraction, 0 to 1, or None where that is not known."""

_log = logging.getLogger(__name__)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_NOT_WEIGHTS = ["*.json", "*.jinja", "*.model", "*.txt", "vision_tower/*"]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Everything that answering needs, on its device, frozen and in eval mode."""

    name: str
    path: Path
    model: LlamaForCausalLM
    tokenizer: ChatTokenizer
    vision_tower: VisionTower | None
    precision: Precision

    @property
    def context_length(self) -> int:
        """Tokens that prompt and answer may fill."""
        length: int = self.model.config.max_position_embeddings
        return length

    @property
    def image_cost(self) -> int:
        """Tokens that one picture takes in the prompt, its two brackets included; 0 if blind."""
        patches = self.tokenizer.image_tokens
        return patches + 2 if patches else 0

    @property
    def memory_bytes(self) -> int:
        """What weights and tower take on the device."""
        modules = [self.model] if self.vision_tower is None else [self.model, self.vision_tower]
        tensors = {
            id(tensor): tensor.nbytes
            for module in modules
            for tensor in (*module.parameters(), *module.buffers())
        }
        return sum(tensors.values())


def load_model(
    ref: str, *, load: LoadMode = "auto", device: Device = "auto", progress: Progress | None = None
) -> LoadedModel:
    """Load a model.

    Args:
        ref: a directory of a model or of an adapter, or a hub id `owner/name`.
        load: how weights are held.
        device: where.
        progress: told how it goes.

    Raises:
        ModelNotFoundError, ModelFormatError, DamagedCheckpointError, UnsafeCheckpointError,
        DownloadError, UsageError: as their docstrings say.
    """
    tell = progress or _tell_nobody
    precision = choose_precision(load, device)
    named = directory = find_model(ref, tell)
    adapter = read_adapter(named) if is_adapter(named) else None
    if adapter is not None:
        directory = find_base(adapter, lambda base: find_model(base, tell))
    config = read_config(directory)
    tell("tokenizer", None)
    tokenizer = _load_tokenizer(named if (named / "tokenizer_config.json").is_file() else directory)
    tower = None
    if isinstance(config, MultimodalLlamaConfig) and config.use_mm_proj:
        tell("vision_tower", None)
        tower = _load_tower(directory, config, precision).to(precision.device)
        if tower.hidden_size != config.mm_hidden_size:
            raise ModelFormatError(
                tr(
                    "error.tower.width",
                    found=tower.hidden_size,
                    path=directory / "config.json",
                    wanted=config.mm_hidden_size,
                ),
                tr("error.tower.width_hint"),
            )
    chat_tokenizer = ChatTokenizer(tokenizer, image_tokens=tower.num_patches if tower else 0)
    if isinstance(config, MultimodalLlamaConfig) and tower is not None:
        config.image_token_id = chat_tokenizer.control_id(IMG_PATCH)
    model = _load_weights(directory, config, precision, tell, adapter)
    return LoadedModel(named.name, named, model, chat_tokenizer, tower, precision)


def _tell_nobody(stage: LoadStage, fraction: float | None) -> None:
    pass


def find_model(ref: str, progress: Progress) -> Path:
    """The directory of a model; a hub id is fetched into the hub's cache first.

    A file stands for the directory that it is in.

    Raises:
        ModelNotFoundError: neither a directory nor a model on the hub.
        DownloadError: the hub cannot be reached, and the model is not in the cache.
    """
    directory = Path(ref)
    with suppress(RuntimeError):  # "~somebody" who has no home here
        directory = directory.expanduser()
    if directory.is_file():
        directory = directory.parent
    if directory.is_dir():
        return directory
    if not _HUB_ID.fullmatch(ref):
        raise ModelNotFoundError(
            tr("error.loading.absent", ref=ref), tr("error.loading.absent_hint")
        )
    progress("download", None)
    return _fetch(ref)


def _fetch(ref: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        directory = Path(snapshot_download(ref, allow_patterns=[*_NOT_WEIGHTS, "*.safetensors"]))
        if not any(directory.glob("*.safetensors")):
            directory = Path(snapshot_download(ref, allow_patterns=[*_NOT_WEIGHTS, "*.bin"]))
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelNotFoundError(
            tr("error.loading.unknown", ref=ref), tr("error.loading.unknown_hint")
        ) from error
    except Exception as error:  # the hub's, its HTTP library's, its transfer library's, the disk's
        reason, *_ = str(error).splitlines() or [type(error).__name__]
        raise DownloadError(
            tr("error.loading.download", ref=ref, reason=reason),
            tr("error.loading.download_hint"),
        ) from error
    return directory


def _load_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            directory, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise ModelFormatError(
            tr("error.loading.tokenizer", path=directory, reason=error),
            tr("error.loading.tokenizer_hint"),
        ) from error
    return tokenizer


def _load_tower(
    directory: Path, config: MultimodalLlamaConfig, precision: Precision
) -> VisionTower:
    layer, dtype = config.mm_vision_select_layer, precision.dtype
    local = directory / VISION_TOWER_DIR
    if local.is_dir():
        return VisionTower.from_directory(local, select_layer=layer, dtype=dtype)
    if not config.mm_vision_tower:
        raise ModelFormatError(
            tr("error.tower.unnamed", path=directory), tr("error.tower.unnamed_hint", place=local)
        )
    return VisionTower.from_name(config.mm_vision_tower, select_layer=layer, dtype=dtype)


def _load_weights(
    directory: Path,
    config: LlamaConfig,
    precision: Precision,
    progress: Progress,
    adapter: Adapter | None,
) -> LlamaForCausalLM:
    config.dtype = precision.dtype
    model: LlamaForCausalLM
    with torch.device("meta"):
        if isinstance(config, MultimodalLlamaConfig) and config.use_mm_proj:
            model = MultimodalLlamaForCausalLM(config)
        else:
            model = LlamaForCausalLM(config)
    skip = ("mm_projector",) if precision.scheme == "int8" else ("mm_projector", "lm_head")
    replaced = replace_linears(model, precision, skip=skip)
    kept_apart = {f"{name}.weight" for name in replaced} if precision.scheme == "nf4" else ()
    expected = {
        name
        for name in model.state_dict()
        if not name.endswith((".scale",)) and not (config.tie_word_embeddings and _is_head(name))
    }
    files = weight_files(directory)
    total = sum(file.stat().st_size for file in files)
    done = 0
    for file in files:
        for name, tensor in read_tensors(file):
            done += tensor.nbytes
            if name not in expected:
                _log.info("%s: %s is not part of the model", file, name)
                continue
            expected.discard(name)
            if adapter is not None:
                tensor = adapter.merge(name, tensor, keep_apart=name in kept_apart)
            _place(model, name, tensor, precision, file)
            progress("weights", min(done / total, 1.0))
    if expected:
        raise DamagedCheckpointError(
            tr("error.loading.lacking", path=directory, name=min(expected), count=len(expected)),
            tr("error.loading.lacking_hint"),
        )
    if config.tie_word_embeddings:
        _tie(model, precision)
    if adapter is not None:
        adapter.attach(model, precision.dtype)
    # Rotary frequencies are no weights: computed anew, on the device, from the config.
    model.model.rotary_emb = type(model.model.rotary_emb)(config).to(precision.device)
    model.eval()
    model.requires_grad_(False)
    return model


def _is_head(name: str) -> bool:
    return name.startswith("lm_head.")


def _place(
    model: nn.Module, name: str, tensor: torch.Tensor, precision: Precision, file: Path
) -> None:
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
