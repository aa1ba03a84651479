# SPDX-License-Identifier: Apache-2.0
"""A LLaMA becomes a base to train: control tokens, a pad of its own, a template, perhaps eyes.

Rules that always hold: the source is only read; weights keep the dtype that they have; a token
that is there keeps its id; tied embeddings stay tied. Nothing gets its final name before it has
been read back and gives the old logits on ordinary text. There is one copy of the weights in
memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from yuren_core.chatml import IMG_PATCH
from yuren_core.errors import ModelFormatError, StorageError, UsageError
from yuren_core.i18n import tr
from yuren_core.model.adapter_files import is_adapter
from yuren_core.model.checkpoint import (
    read_config,
    weight_files,
    write_model_directory,
)
from yuren_core.model.eyes import with_eyes
from yuren_core.model.fast_tokenizer import ORDINARY_TEXT, fast_tokenizer, load_tokenizer
from yuren_core.model.loading import find_model, load_tower
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig
from yuren_core.model.quantization import Precision
from yuren_core.model.recommended_sampling import recommended_sampling
from yuren_core.model.vision_tower import VisionTower
from yuren_core.model.vocabulary import VocabularyChange, add_control_tokens
from yuren_core.model.weights import load_weights, tell_nobody
from yuren_core.paths import atomic_directory
from yuren_train.models.baichuan import read_base
from yuren_train.models.sources import (
    dtype_of,
    hashes_of,
    logits_of,
    refuse_what_is_there,
    versions,
)

Step = Literal["load", "vocabulary", "vision_tower", "write", "prove"]

_SPARE_ROWS = 1024  # that a base may have beyond its tokenizer, for the sake of round numbers
_ROUNDING = 4  # units in the last place; another number of rows may sum in another order


@dataclass(frozen=True, slots=True)
class PreparedBase:
    """What was made.

    Attributes:
        path: the model directory.
        change: of the vocabulary.
        orphans: tokens that the tokenizer had and the weights had no row for.
        is_tied: whether input and output embedding are one.
        context_length: tokens, `max_position_embeddings`.
        image_tokens: patches of one picture (P); 0 without a vision tower.
        compared: tokens of ordinary text whose logits were compared.
        difference: the largest between an old and a new logit.
    """

    path: Path
    change: VocabularyChange
    orphans: tuple[str, ...]
    is_tied: bool
    context_length: int
    image_tokens: int
    compared: int
    difference: float


def prepare_base(
    ref: str,
    out: Path,
    *,
    vision_tower: str | None = None,
    vision_layer: int = -2,
    context_length: int | None = None,
    seed: int = 0,
    tell: Callable[[Step], None] = lambda _: None,
) -> PreparedBase:
    """Write a prepared base.

    Args:
        ref: a directory or hub id.
        out: the model directory to be made.
        vision_tower: a name or directory as `VisionTower.from_name` takes it; its projector is
            fresh. None keeps what the base has.
        vision_layer: the tower's layer that is read, counted from its end.
        context_length: positions; None keeps the base's.
        seed: of the fresh projector.
        tell: told each step as it begins.

    Raises:
        UsageError: `out` is there and not empty, or a number that cannot be.
        ModelFormatError: tokenizer and weights disagree, or the base is no LLaMA.
        StorageError: it cannot be written, or does not give the old logits.
        ModelError, DownloadError: as `load_model` says.
    """
    refuse_what_is_there(out)
    if context_length is not None and context_length < 1:
        raise UsageError(
            tr("error.base.context", value=context_length), tr("error.base.context_hint")
        )
    tell("load")
    source = find_model(ref, tell_nobody)
    if is_adapter(source):
        raise UsageError(tr("error.base.adapter", path=source), tr("error.base.adapter_hint"))
    config, parts = read_base(source)
    tokenizer = fast_tokenizer(source)
    precision = Precision(torch.device("cpu"), dtype_of(source), "none", "bf16")
    model = load_weights(source, config, precision, parts=parts)
    rows: int = config.vocab_size
    orphans = _orphans(tokenizer, rows, source)
    old_ids = sorted(i for i in tokenizer.get_vocab().values() if i < rows)
    ids = _ids(tokenizer)
    before = logits_of(model, ids)[:, old_ids]

    tell("vocabulary")
    change = add_control_tokens(model, tokenizer)
    model.config.max_position_embeddings = context_length or config.max_position_embeddings
    tokenizer.model_max_length = model.config.max_position_embeddings

    tower: VisionTower | None = None
    if vision_tower is not None:
        tell("vision_tower")
        tower = VisionTower.from_name(vision_tower, vision_layer)
        model = with_eyes(model, tower, image_token_id=change.ids[IMG_PATCH], seed=seed)
    elif isinstance(config, MultimodalLlamaConfig) and config.use_mm_proj:
        tower = load_tower(source, config, replace(precision, dtype=torch.float32))
    if isinstance(model.config, MultimodalLlamaConfig):
        model.config.image_token_id = change.ids[IMG_PATCH]
    image_tokens = tower.num_patches if tower else 0
    is_tied = bool(model.config.tie_word_embeddings)

    tell("write")
    arguments: dict[str, object] = {
        "vision_tower": vision_tower,
        "vision_layer": vision_layer,
        "context_length": context_length,
        "seed": seed,
    }
    with atomic_directory(out) as draft:
        write_model_directory(
            draft,
            model=model,
            tokenizer=tokenizer,
            image_tokens=image_tokens,
            vision_tower=tower,
            sampling=recommended_sampling(source),
            provenance=_provenance(ref, source, change, arguments),
        )
        positions = model.config.max_position_embeddings
        del model, tower  # the proof needs the room
        tell("prove")
        difference = _prove(draft, precision, ids, before, old_ids)
    return PreparedBase(
        out, change, orphans, is_tied, positions, image_tokens, len(ids), difference
    )


def _orphans(tokenizer: PreTrainedTokenizerBase, rows: int, source: Path) -> tuple[str, ...]:
    """Added tokens without a row of weights.

    Raises:
        ModelFormatError: ordinary tokens have none, or far too many rows have no token.
    """
    vocabulary = tokenizer.get_vocab()
    beyond = sorted((i, token) for token, i in vocabulary.items() if i >= rows)
    added = tokenizer.added_tokens_decoder
    spare = rows - len(vocabulary)
    if any(i not in added for i, _ in beyond) or spare > max(_SPARE_ROWS, rows // 10):
        raise ModelFormatError(
            tr("error.base.disagree", path=source, tokens=len(vocabulary), rows=rows),
            tr("error.base.disagree_hint"),
        )
    return tuple(token for _, token in beyond)


def _ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return [
        i
        for text in ORDINARY_TEXT
        for i in tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    ]


def _provenance(
    ref: str, source: Path, change: VocabularyChange, arguments: dict[str, object]
) -> dict[str, object]:
    files = (source / "config.json", *weight_files(source))
    return {
        "made_by": "yuren-train prepare-base",
        "source": {"ref": ref, "path": str(source), "sha256": hashes_of(files)},
        "arguments": {**arguments, "added_tokens": change.added, "rows": change.rows},
        "versions": versions(),
    }


def _prove(
    directory: Path, precision: Precision, ids: list[int], before: Tensor, old_ids: list[int]
) -> float:
    """The largest difference between old logits and those of what was written.

    Raises:
        StorageError: the text has other ids now, or the difference is more than rounding.
    """
    now = _ids(load_tokenizer(directory))
    model = load_weights(directory, read_config(directory), precision)
    if now != ids:
        raise StorageError(tr("error.base.ids"), tr("error.base.proof_hint"))
    difference = float((logits_of(model, ids)[:, old_ids] - before).abs().max())
    allowed = _ROUNDING * torch.finfo(precision.dtype).eps * float(before.abs().max())
    if not difference <= allowed:
        raise StorageError(
            tr("error.base.logits", difference=f"{difference:.3g}", allowed=f"{allowed:.3g}"),
            tr("error.base.proof_hint"),
        )
    return difference
