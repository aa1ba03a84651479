# SPDX-License-Identifier: Apache-2.0
"""baichuan-7B as it is published, read as the LLaMA that it is.

Its layers differ from LLaMA's in one name: `W_pack` holds the rows of query, key and value, in
this order, as one matrix. Its own code is never run. Refused are its relatives that compute
otherwise: Baichuan2, whose head is normalized (NormHead), and the 13B models, which have ALiBi in
place of rotary positions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import LlamaConfig

from yuren_core.errors import ModelFormatError
from yuren_core.i18n import tr
from yuren_core.model.checkpoint import read_config
from yuren_core.model.weights import Parts, as_stored

MODEL_TYPE = "baichuan"

_FUSED = "W_pack"
_SPLIT = ("q_proj", "k_proj", "v_proj")
_BAICHUAN2_ROWS = 125_696
_KEPT = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "hidden_act", "max_position_embeddings", "initializer_range", "rms_norm_eps", "use_cache",
    "bos_token_id", "eos_token_id",
)  # fmt: skip
"""What the config says that a LLaMA's says too, under the same names."""


def read_base(directory: Path) -> tuple[LlamaConfig, Parts]:
    """The config of a base, and how its stored tensors become a LLaMA's.

    Raises:
        ModelNotFoundError, ModelFormatError: as `read_config` says; or it is a relative of
            baichuan-7B that is no LLaMA.
    """
    raw = _raw(directory)
    if raw.get("model_type") != MODEL_TYPE:
        return read_config(directory), as_stored
    _refuse_relatives(directory, raw)
    try:
        config = LlamaConfig(
            **{name: raw[name] for name in _KEPT if name in raw},
            tie_word_embeddings=bool(raw.get("tie_word_embeddings", False)),
            attention_bias=False,
            mlp_bias=False,
        )
    except Exception as error:
        raise ModelFormatError(
            tr("error.checkpoint.config_value", path=directory / "config.json", reason=error),
            tr("error.checkpoint.config_value_hint"),
        ) from error
    return config, unfused


def unfused(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """A stored tensor as a LLaMA's: `W_pack` (3 D, D) as three of (D, D), any other as it is."""
    before, fused, after = name.partition(_FUSED)
    if not fused:
        yield name, tensor
        return
    for part, rows in zip(_SPLIT, tensor.tensor_split(len(_SPLIT)), strict=True):
        yield f"{before}{part}{after}", rows


def _raw(directory: Path) -> Mapping[str, Any]:
    """What config.json says; nothing where it cannot be read, of which `read_config` tells."""
    try:
        raw = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _refuse_relatives(directory: Path, raw: Mapping[str, Any]) -> None:
    if "z_loss_weight" in raw or raw.get("vocab_size") == _BAICHUAN2_ROWS:
        kind = "baichuan2"
    elif "max_position_embeddings" not in raw:  # ALiBi has no positions to count
        kind = "alibi"
    else:
        return
    raise ModelFormatError(tr(f"error.base.{kind}", path=directory), tr("error.base.relative_hint"))
