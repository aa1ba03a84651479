# SPDX-License-Identifier: Apache-2.0
"""What is known of the model that another one is made from, and where the new one may go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from yuren_core.errors import ModelFormatError, UsageError
from yuren_core.i18n import tr
from yuren_core.model.checkpoint import read_tensors, weight_files
from yuren_core.model.known_models import prompt_format_of
from yuren_core.model.prompt_format import ChatML

_VERSIONED = ("yuren", "torch", "transformers", "tokenizers")


def refuse_what_is_there(out: Path) -> None:
    """A model directory is made where nothing is.

    Raises:
        UsageError: `out` is a file, or a directory with something in it.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UsageError(tr("error.base.out", path=out), tr("error.base.out_hint"))


def dtype_of(directory: Path) -> torch.dtype:
    """The dtype of a model's embedding, which its config need not tell rightly."""
    for file in weight_files(directory):
        for name, tensor in read_tensors(file):
            if name.endswith("embed_tokens.weight"):  # LLaVA puts a prefix before it
                return tensor.dtype
    return torch.bfloat16  # `load_weights` says what is missing


def chatml_of(directory: Path, config: LlamaConfig, tokenizer: PreTrainedTokenizerBase) -> ChatML:
    """The ChatML that a model is told, as the chat does it: a directory of ours knows no other.

    Raises:
        ModelFormatError: it is told by a template of its own, or as `prompt_format_of` says.
    """
    known = prompt_format_of(config, tokenizer)
    if not isinstance(known, ChatML):
        raise ModelFormatError(
            tr("error.base.prompt", path=directory), tr("error.base.prompt_hint", path=directory)
        )
    return known


def hashes_of(files: Iterable[Path]) -> dict[str, str]:
    """sha256, in hex, by the name of the file."""
    hashes = {}
    for file in files:
        with file.open("rb") as stream:
            hashes[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return hashes


def versions() -> dict[str, str]:
    """Of what a model depends on."""
    return {name: metadata.version(name) for name in _VERSIONED}


@torch.no_grad()
def logits_of(model: LlamaForCausalLM, ids: list[int]) -> Tensor:
    """(T, V) fp32, on the CPU."""
    input_ids = torch.tensor([ids], device=model.device)
    logits: Tensor = model(input_ids=input_ids, use_cache=False).logits[0]
    return logits.float().cpu()
