# SPDX-License-Identifier: Apache-2.0
"""What is exported: a model as the chat runs it, an adapter merged into its base."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from yuren_core.chatml import PLAIN, ChatMLStyle, chat_template
from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.model.adapter_files import is_adapter, read_adapter
from yuren_core.model.checkpoint import weight_files
from yuren_core.model.llava_files import PROJECTOR_FILE
from yuren_core.model.loading import base_directory, find_model, load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig, MultimodalLlamaForCausalLM
from yuren_core.model.prompt_format import ChatML
from yuren_core.model.text_encoding import add_nothing
from yuren_core.model.tokenization import ChatTokenizer
from yuren_core.model.vision_tower import VisionTower
from yuren_core.model.weights import tell_nobody
from yuren_core.sampling_params import SamplingAdvice
from yuren_train.models.sources import dtype_of, hashes_of, versions

Step = Literal["load", "convert", "write", "prove"]

Tell = Callable[[Step, float | None], None]
"""Told the step, and the part of it that is done, 0 to 1, or None where that is not known."""


def tell_no_one(step: Step, fraction: float | None) -> None:
    """No progress."""


@dataclass(slots=True)
class Source:
    """A model in memory, on the CPU; an export may cast it and share its tensors.

    Attributes:
        ref: as it was named.
        path: its directory.
        base: the directory of its weights; another one where `path` is an adapter.
        model: text-only or multimodal.
        tokenizer: with the control tokens.
        tower: None where the model is blind.
        dtype: of the weights in the files of `base`.
        sampling: what the model is best sampled with.
    """

    ref: str
    path: Path
    base: Path
    model: LlamaForCausalLM
    tokenizer: ChatTokenizer
    tower: VisionTower | None
    dtype: torch.dtype
    sampling: SamplingAdvice

    @property
    def hf_tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of transformers."""
        return self.tokenizer.tokenizer

    @property
    def style(self) -> ChatMLStyle:
        """The habits of its ChatML; none where its prompts are others."""
        known = self.tokenizer.prompt_format
        return known.style if isinstance(known, ChatML) else PLAIN

    @property
    def stops(self) -> list[str]:
        """Tokens that end an answer, in the order of their ids."""
        return [
            str(self.hf_tokenizer.convert_ids_to_tokens(i)) for i in sorted(self.tokenizer.stop_ids)
        ]

    def chat_template(self, image_tokens: int = 0) -> str:
        """The Jinja template of its prompts; `image_tokens` patches stand for a picture."""
        if isinstance(self.tokenizer.prompt_format, ChatML):
            return chat_template(image_tokens, self.style)
        own: str = self.hf_tokenizer.chat_template
        return own

    def text_config(self) -> LlamaConfig:
        """The config of the language model alone."""
        if not isinstance(self.model.config, MultimodalLlamaConfig):
            return deepcopy(self.model.config)
        values: dict[str, Any] = self.model.config.to_dict()
        for name in ("model_type", "architectures", "image_token_id", "use_mm_proj"):
            values.pop(name, None)
        values = {k: v for k, v in values.items() if not k.startswith("mm_")}
        config = LlamaConfig(**values)
        config.architectures = ["LlamaForCausalLM"]
        return config

    def provenance(self, made_by: str, **more: object) -> dict[str, object]:
        """For `provenance.json`: sources and their hashes, versions, and what else is given."""
        adapter: list[Path] = []
        if self.path != self.base:
            adapter = sorted((*self.path.glob("*adapter*"), *self.path.glob("mm_projector.*")))
        apart = self.base / PROJECTOR_FILE  # of LLaVA, as its authors published it
        files = [self.base / "config.json", *weight_files(self.base)]
        files += [apart] if apart.is_file() else []
        return {
            "made_by": made_by,
            "source": {"ref": self.ref, "path": str(self.path), "sha256": hashes_of(adapter)},
            "base": {"path": str(self.base), "sha256": hashes_of(files)},
            "versions": versions(),
            **more,
        }


def read_source(ref: str, tell: Tell = tell_no_one) -> Source:
    """Read a model or an adapter, as the chat does.

    Weights in bf16 stay what they are; others are held in fp32. An adapter that was trained on
    4-bit weights meets these.

    Args:
        ref: directory or hub id of a model, or of an adapter of stage 1 or 3.
        tell: told how it goes.

    Raises:
        ModelError, DownloadError: as `load_model` says.
    """
    tell("load", None)
    path = find_model(ref, tell_nobody)
    base = base_directory(path)
    dtype = dtype_of(base)
    loaded = load_model(
        str(path),
        load="bf16" if dtype == torch.bfloat16 else "fp32",
        device="cpu",
        progress=lambda stage, fraction: tell("load", fraction if stage == "weights" else None),
    )
    if isinstance(loaded.tokenizer.prompt_format, ChatML):
        add_nothing(loaded.tokenizer.tokenizer)
    return Source(
        ref,
        path,
        base,
        loaded.model,
        loaded.tokenizer,
        loaded.vision_tower,
        dtype if dtype.is_floating_point else torch.bfloat16,
        loaded.sampling,
    )


def trained_in_4bit(path: Path) -> bool:
    """Whether a directory is an adapter that learned beside 4-bit weights."""
    return is_adapter(path) and read_adapter(path).trained_in_4bit


def cast(module: nn.Module, dtype: torch.dtype) -> None:
    """Cast the weights in place, and them alone: rotary frequencies are buffers and stay fp32."""
    for parameter in module.parameters():
        parameter.data = parameter.data.to(dtype)


def seeing(source: Source) -> tuple[MultimodalLlamaForCausalLM, VisionTower]:
    """The model and the tower of a source that sees.

    Raises:
        UsageError: it is blind.
    """
    model = source.model
    if not isinstance(model, MultimodalLlamaForCausalLM) or source.tower is None:
        raise UsageError(tr("error.export.blind", path=source.path), tr("error.export.blind_hint"))
    return model, source.tower


def is_seeing(source: Source) -> bool:
    """Whether there is a projector."""
    config = source.model.config
    return isinstance(config, MultimodalLlamaConfig) and source.tower is not None
