# SPDX-License-Identifier: Apache-2.0
"""A directory or hub id becomes a model that is ready to run.

Impossible combinations are refused before any weight is read. An adapter loads on its base.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from transformers import LlamaForCausalLM

from yuren_core.errors import (
    DownloadError,
    ModelFormatError,
    ModelNotFoundError,
)
from yuren_core.i18n import tr
from yuren_core.model.adapter_files import find_base, is_adapter, read_adapter
from yuren_core.model.architectures import TALKED_TO
from yuren_core.model.checkpoint import (
    VISION_TOWER_DIR,
    read_config,
)
from yuren_core.model.fast_tokenizer import fast_tokenizer
from yuren_core.model.known_models import llava_format, prompt_format_of
from yuren_core.model.llava_files import IMAGE_TOKEN, our_name, read_llava
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig
from yuren_core.model.open_clip_files import tower_name
from yuren_core.model.quantization import (
    Precision,
    choose_precision,
)
from yuren_core.model.recommended_sampling import GENERATION_CONFIG, recommended_sampling
from yuren_core.model.tokenization import ChatTokenizer
from yuren_core.model.vision_tower import VisionTower
from yuren_core.model.weights import Progress, as_stored, load_adapted, load_weights, tell_nobody
from yuren_core.protocol import Device, LoadMode
from yuren_core.sampling_params import NO_ADVICE, SamplingAdvice

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
    sampling: SamplingAdvice = NO_ADVICE

    @property
    def context_length(self) -> int:
        """Tokens that prompt and answer may fill."""
        length: int = self.model.config.max_position_embeddings
        return length

    @property
    def image_cost(self) -> int:
        """Tokens that one picture takes in the prompt, its two brackets included; 0 if blind."""
        return self.tokenizer.image_cost

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
    tell = progress or tell_nobody
    precision = choose_precision(load, device)
    named = directory = find_model(ref, tell)
    adapter = read_adapter(named) if is_adapter(named) else None
    if adapter is not None:
        directory = find_base(adapter, lambda base: find_model(base, tell))
    llava = read_llava(directory)
    config = llava.config if llava else read_config(directory, TALKED_TO)
    tell("tokenizer", None)
    tokenizer = fast_tokenizer(named if (named / "tokenizer_config.json").is_file() else directory)
    tower = None
    if isinstance(config, MultimodalLlamaConfig) and config.use_mm_proj:
        tell("vision_tower", None)
        tower = llava.tower(precision) if llava else load_tower(directory, config, precision)
        tower = tower.to(precision.device)
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
    chat_tokenizer = ChatTokenizer(
        tokenizer,
        image_tokens=tower.num_patches if tower else 0,
        prompt_format=(
            llava_format(tokenizer, IMAGE_TOKEN, llava.chat_template)
            if llava
            else prompt_format_of(config, tokenizer)
        ),
        stop_ids=_eos_ids(directory),
    )
    if isinstance(config, MultimodalLlamaConfig) and tower is not None:
        config.image_token_id = chat_tokenizer.patch_id
    parts, extra_files = (llava.parts, llava.extra_files) if llava else (as_stored, ())
    if adapter is None:
        model = load_weights(
            directory, config, precision, tell, parts=parts, extra_files=extra_files
        )
    else:
        if llava is not None:
            adapter.rename(our_name)
        model = load_adapted(
            adapter,
            directory,
            config,
            precision,
            tell,
            dequantized=adapter.trained_in_4bit,
            parts=parts,
            extra_files=extra_files,
        )
    advice = recommended_sampling(directory)
    return LoadedModel(named.name, named, model, chat_tokenizer, tower, precision, advice)


def _eos_ids(directory: Path) -> list[int]:
    """Ids that end an answer, of which generation_config.json may name several."""
    try:
        raw = json.loads((directory / GENERATION_CONFIG).read_text(encoding="utf-8"))
        ids = raw.get("eos_token_id")
    except (OSError, ValueError, AttributeError):
        return []
    return [i for i in (ids if isinstance(ids, list) else [ids]) if type(i) is int]


def base_directory(directory: Path) -> Path:
    """The directory that holds the whole weights of a model: its own, or its base's.

    Raises:
        ModelNotFoundError, ModelFormatError, DownloadError: as `find_base` says, for an adapter.
    """
    if not is_adapter(directory):
        return directory
    return find_base(read_adapter(directory), lambda base: find_model(base, tell_nobody))


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


def load_tower(directory: Path, config: MultimodalLlamaConfig, precision: Precision) -> VisionTower:
    """The vision tower in a directory, or else the one that its config names.

    Raises:
        ModelFormatError: there is neither; else as `VisionTower` says.
    """
    layer, dtype = config.mm_vision_select_layer, precision.dtype
    local = directory / VISION_TOWER_DIR
    if local.is_dir():
        return VisionTower.from_directory(local, select_layer=layer, dtype=dtype)
    if not config.mm_vision_tower:
        raise ModelFormatError(
            tr("error.tower.unnamed", path=directory), tr("error.tower.unnamed_hint", place=local)
        )
    name = tower_name(config.mm_vision_tower)
    return VisionTower.from_name(name, select_layer=layer, dtype=dtype)
