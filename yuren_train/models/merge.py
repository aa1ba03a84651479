# SPDX-License-Identifier: Apache-2.0
"""An adapter and its base become one model, and it is said how far that is from what was trained.

A LoRA trained on 16-bit weights merges but for rounding. One trained on 4-bit weights has
learned to live with their errors: merged into the 16-bit base it meets other weights than it
knew, merged into the de-quantised ones it meets the same. The difference is measured against
the adapter as it was trained, beside its base; there is one copy of the weights in memory at a
time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from yuren_core.chatml import render_message
from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.messages import Message, Role
from yuren_core.model.adapter_files import find_base, is_adapter, read_adapter
from yuren_core.model.checkpoint import (
    VISION_TOWER_DIR,
    read_config,
    weight_files,
    write_model_directory,
)
from yuren_core.model.fast_tokenizer import ORDINARY_TEXT, fast_tokenizer
from yuren_core.model.loading import find_model, load_tower
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig
from yuren_core.model.prompt_format import ChatML
from yuren_core.model.quantization import Precision, choose_precision, keep_trainable
from yuren_core.model.recommended_sampling import recommended_sampling
from yuren_core.model.tokenization import ChatTokenizer
from yuren_core.model.weights import load_adapted, tell_nobody
from yuren_core.protocol import Device
from yuren_train.models.sources import (
    chatml_of,
    dtype_of,
    hashes_of,
    logits_of,
    refuse_what_is_there,
    versions,
)

Step = Literal["compare", "merge", "write"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Between the logits of the merged model and those of the adapter as it was trained.

    Attributes:
        tokens: positions of ordinary conversation that were compared.
        largest: of all logits.
        mean: of all logits, absolute.
        same_choice: share of the positions, 0 to 1, where the likeliest token is the same.
    """

    tokens: int
    largest: float
    mean: float
    same_choice: float


@dataclass(frozen=True, slots=True)
class Merged:
    """What was made.

    Attributes:
        path: the model directory.
        base: the directory of the base.
        trained_in_4bit: whether the adapter was trained on 4-bit weights.
        difference: to the adapter beside its base.
    """

    path: Path
    base: Path
    trained_in_4bit: bool
    difference: Difference


def merge(
    ref: str,
    out: Path,
    *,
    dequantized: bool = False,
    device: Device = "auto",
    tell: Callable[[Step], None] = lambda _: None,
) -> Merged:
    """Write the model that an adapter and its base make together, in the dtype of the base.

    Args:
        ref: directory or hub id of an adapter.
        out: the model directory to be made.
        dequantized: merge into the base's weights after they went through 4 bits.
        device: where logits are computed.
        tell: told each step as it begins.

    Raises:
        UsageError: `ref` is no adapter, or `out` is there and not empty.
        ModelFormatError: it is told conversations by a template of its own.
        StorageError: it cannot be written, or does not read back.
        ModelError, DownloadError: as `load_model` says.
    """
    refuse_what_is_there(out)
    source = find_model(ref, tell_nobody)
    if not is_adapter(source):
        raise UsageError(tr("error.merge.no_adapter", path=source), tr("error.merge.adapter_hint"))
    adapter = read_adapter(source)
    base = find_base(adapter, lambda named: find_model(named, tell_nobody))
    where = choose_precision("bf16", device).device
    plain = Precision(where, dtype_of(base), "none", "bf16")
    in_4bit = Precision(where, torch.bfloat16, "nf4", "4bit")
    config = read_config(base)
    own = (source / "tokenizer_config.json").is_file()
    tokenizer = fast_tokenizer(source if own else base)
    known = chatml_of(source, config, tokenizer)
    tower = None
    if isinstance(config, MultimodalLlamaConfig) and config.use_mm_proj:
        tower = load_tower(
            base, config, Precision(torch.device("cpu"), torch.float32, "none", "fp32")
        )
    chat = ChatTokenizer(
        tokenizer, image_tokens=tower.num_patches if tower else 0, prompt_format=known
    )
    ids = _ids(chat, known)

    tell("compare")
    model = load_adapted(
        read_adapter(source),
        base,
        read_config(base),
        in_4bit if adapter.trained_in_4bit else plain,
        keep_apart=True,
    )
    keep_trainable(model)
    trained = logits_of(model, ids)
    del model

    tell("merge")
    model = load_adapted(adapter, base, config, plain, dequantized=dequantized)
    if isinstance(config, MultimodalLlamaConfig) and tower is not None:
        model.config.image_token_id = chat.patch_id
        model.config.mm_vision_tower = VISION_TOWER_DIR
    difference = _difference(logits_of(model, ids), trained)

    tell("write")
    write_model_directory(
        out,
        model=model,
        tokenizer=tokenizer,
        image_tokens=chat.image_tokens,
        vision_tower=tower,
        sampling=recommended_sampling(base),
        provenance={
            "made_by": "yuren-train merge",
            "adapter": {
                "ref": ref,
                "path": str(source),
                "sha256": hashes_of(
                    sorted((*source.glob("*adapter*"), *source.glob("mm_projector.*")))
                ),
            },
            "base": {
                "ref": adapter.base,
                "path": str(base),
                "sha256": hashes_of((base / "config.json", *weight_files(base))),
            },
            "arguments": {"dequantized": dequantized},
            "difference": asdict(difference),
            "versions": versions(),
        },
        style=known.style,
    )
    return Merged(out, base, adapter.trained_in_4bit, difference)


def _ids(tokenizer: ChatTokenizer, known: ChatML) -> list[int]:
    """Questions and answers, so that trained rows of control tokens count."""
    roles = (Role.USER, Role.ASSISTANT)
    return [
        i
        for text in ORDINARY_TEXT
        for role in roles
        for i in tokenizer.encode(
            render_message(Message.of(role, text), style=known.style)
        ).input_ids
    ]


def _difference(merged: Tensor, trained: Tensor) -> Difference:
    apart = (merged - trained).abs()
    same = merged.argmax(-1) == trained.argmax(-1)
    return Difference(
        len(merged), float(apart.max()), float(apart.mean()), float(same.float().mean())
    )
