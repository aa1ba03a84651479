# SPDX-License-Identifier: Apache-2.0
"""A published model becomes a directory in our layout, once.

Its weights, ids and prompt stay what they are: it is read and prompted as the chat does it, and
then written, with its vision tower beside it, in safetensors. What its directory did not say of
its training stands in the new config.json and chat template. What was written is proved to give
the old logits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from transformers import LlamaConfig

from yuren_core.chatml import ChatMLStyle, render
from yuren_core.errors import StorageError, UsageError
from yuren_core.i18n import tr
from yuren_core.messages import Message, Role
from yuren_core.model.adapter_files import is_adapter
from yuren_core.model.checkpoint import (
    VISION_TOWER_DIR,
    read_config,
    weight_files,
    write_model_directory,
)
from yuren_core.model.fast_tokenizer import ORDINARY_TEXT, fast_tokenizer
from yuren_core.model.loading import find_model, load_tower
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig
from yuren_core.model.quantization import Precision
from yuren_core.model.recommended_sampling import recommended_sampling
from yuren_core.model.tokenization import ChatTokenizer
from yuren_core.model.vision_tower import VisionTower
from yuren_core.model.weights import load_weights, tell_nobody
from yuren_core.paths import atomic_directory
from yuren_train.models.sources import (
    chatml_of,
    dtype_of,
    hashes_of,
    logits_of,
    refuse_what_is_there,
    versions,
)

Step = Literal["load", "write", "prove"]


@dataclass(frozen=True, slots=True)
class Converted:
    """What was made.

    Attributes:
        path: the model directory.
        style: the ChatML that the model was trained on.
        image_tokens: patches of one picture (P); 0 for a model that cannot see.
        compared: tokens of conversation whose logits were compared.
        difference: the largest between an old and a new logit.
    """

    path: Path
    style: ChatMLStyle
    image_tokens: int
    compared: int
    difference: float


def convert(ref: str, out: Path, *, tell: Callable[[Step], None] = lambda _: None) -> Converted:
    """Write a model in our layout.

    Args:
        ref: a directory or hub id.
        out: the model directory to be made.
        tell: told each step as it begins.

    Raises:
        UsageError: `ref` is an adapter, or `out` is there and not empty.
        ModelFormatError: it is told conversations by a template of its own.
        StorageError: it cannot be written, or does not give the old logits.
        ModelError, DownloadError: as `load_model` says.
    """
    refuse_what_is_there(out)
    tell("load")
    source = find_model(ref, tell_nobody)
    if is_adapter(source):
        raise UsageError(tr("error.base.adapter", path=source), tr("error.base.adapter_hint"))
    config = read_config(source)
    precision = Precision(torch.device("cpu"), dtype_of(source), "none", "bf16")
    chat, style, tower = _told(source, config, replace(precision, dtype=torch.float32))
    if isinstance(config, MultimodalLlamaConfig):
        config.image_token_id = chat.patch_id
        config.mm_vision_tower = VISION_TOWER_DIR if tower else None
    model = load_weights(source, config, precision)
    ids = _ids(chat, style)
    before = logits_of(model, ids)

    tell("write")
    with atomic_directory(out) as draft:
        write_model_directory(
            draft,
            model=model,
            tokenizer=chat.tokenizer,
            image_tokens=chat.image_tokens,
            vision_tower=tower,
            sampling=recommended_sampling(source),
            provenance={
                "made_by": "yuren-train convert",
                "source": {
                    "ref": ref,
                    "path": str(source),
                    "sha256": hashes_of((source / "config.json", *weight_files(source))),
                },
                "versions": versions(),
            },
            style=style,
        )
        del model  # the proof needs the room
        tell("prove")
        difference = _prove(draft, precision, ids, before)
    return Converted(out, style, chat.image_tokens, len(ids), difference)


def _told(
    directory: Path, config: LlamaConfig, precision: Precision
) -> tuple[ChatTokenizer, ChatMLStyle, VisionTower | None]:
    """How a model is told a conversation, and the tower that its pictures go through."""
    tokenizer = fast_tokenizer(directory)
    known = chatml_of(directory, config, tokenizer)
    tower = None
    if isinstance(config, MultimodalLlamaConfig) and config.use_mm_proj:
        tower = load_tower(directory, config, precision)
    image_tokens = tower.num_patches if tower else 0
    chat = ChatTokenizer(tokenizer, image_tokens=image_tokens, prompt_format=known)
    return chat, known.style, tower


def _ids(chat: ChatTokenizer, style: ChatMLStyle) -> list[int]:
    """A conversation of ordinary text, told as the model knows it."""
    roles = (Role.USER, Role.ASSISTANT)
    messages = [
        Message.of(roles[place % 2], text) for place, text in enumerate(ORDINARY_TEXT[:2] * 2)
    ]
    return list(chat.encode(render(messages, style=style)).input_ids)


def _prove(directory: Path, precision: Precision, ids: list[int], before: torch.Tensor) -> float:
    """The largest difference between old logits and those of what was written.

    Raises:
        StorageError: the conversation has other ids now, or there is a difference.
    """
    config = read_config(directory)
    chat, style, _ = _told(directory, config, precision)
    if _ids(chat, style) != ids:
        raise StorageError(tr("error.base.ids"), tr("error.base.proof_hint"))
    model = load_weights(directory, config, precision)
    difference = float((logits_of(model, ids) - before).abs().max())
    if not difference == 0:
        raise StorageError(
            tr("error.base.logits", difference=f"{difference:.3g}", allowed="0"),
            tr("error.base.proof_hint"),
        )
    return difference
