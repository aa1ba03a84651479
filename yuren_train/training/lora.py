# SPDX-License-Identifier: Apache-2.0
"""LoRA and QLoRA: a frozen base, low-rank matrices beside its projections, a few trained rows.

Rules that always hold: the base's weights, in 4 bits or 16, are the same to the bit after any
number of steps; what is trained is kept in fp32; the rows of the control tokens are trained
too, in the embedding and in the head, as one where these are tied; the matrices start from
`config.seed`, alike on every rank.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import LlamaForCausalLM

from yuren_core.chatml import PAD, PLAIN
from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.model.adapter_files import is_adapter
from yuren_core.model.loading import LoadedModel, find_model, load_model
from yuren_core.model.prompt_format import ChatML
from yuren_core.model.quantization import keep_trainable
from yuren_core.model.tokenization import ChatTokenizer
from yuren_core.model.weights import Progress, tell_nobody
from yuren_core.protocol import Device, LoadMode
from yuren_train.config import TrainConfig
from yuren_train.training.trained_rows import ADAPTER, look_rows_up


def load_mode(config: TrainConfig) -> LoadMode:
    """How the weights to start from are held: fp32 to be trained, 4 bits under QLoRA."""
    if config.stage == "stage2":  # frozen but for the projector
        return config.dtype
    match config.method:
        case "full":
            return "fp32"
        case "lora":
            return config.dtype
        case "qlora":
            return "4bit"


def load_base(
    config: TrainConfig, *, device: Device = "auto", progress: Progress | None = None
) -> LoadedModel:
    """Load what `config.model` names, as its method wants it.

    Args:
        config: of the run.
        device: where.
        progress: told how it goes.

    Raises:
        UsageError: a LoRA on an adapter, which first has to become a model; or a model that is
            told conversations otherwise than the trainer tells them.
        ModelError, DownloadError: as `load_model` says.
    """
    directory = find_model(config.model, progress or tell_nobody)
    if config.method != "full" and is_adapter(directory):
        raise UsageError(tr("error.lora.adapter", path=directory), tr("error.lora.adapter_hint"))
    loaded = load_model(config.model, load=load_mode(config), device=device, progress=progress)
    told = loaded.tokenizer.prompt_format
    if not (isinstance(told, ChatML) and told.style == PLAIN):
        raise UsageError(
            tr("error.lora.prompt", model=config.model),
            tr("error.lora.prompt_hint", model=config.model),
        )
    keep_trainable(loaded.model)
    return loaded


def trained_token_ids(tokenizer: ChatTokenizer) -> tuple[int, ...]:
    """Ids whose rows are trained under LoRA: the control tokens without the padding."""
    pad = tokenizer.tokenizer.convert_tokens_to_ids(PAD)
    return tuple(sorted(tokenizer.control_ids - {pad}))


def prepare(
    model: LlamaForCausalLM, config: TrainConfig, new_token_ids: Sequence[int]
) -> PeftModel:
    """Freeze a model and put trainable matrices and rows beside its weights.

    Args:
        model: as `load_base` loads it; it is changed.
        config: `lora_*`, `method` and `seed` are read.
        new_token_ids: token ids whose rows are trained, in embedding and head.

    Returns:
        The model in PEFT's wrapping; its parameters that require gradients are fp32.

    Raises:
        UsageError: a target that the model has not, or a 4-bit model without a 4-bit layer.
    """
    linears = {
        name.rpartition(".")[2] for name, module in model.named_modules() if _is_linear(module)
    }
    if unknown := [target for target in config.lora_targets if target not in linears]:
        raise UsageError(
            tr("error.lora.target", targets=", ".join(unknown)),
            tr(
                "error.lora.target_hint",
                known=", ".join(sorted(linears - {"lm_head", "mm_projector"})),
            ),
        )
    model.requires_grad_(False)
    keep_trainable(model)
    vars(model)["is_loaded_in_4bit"] = config.method == "qlora"  # PEFT asks for it
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # PEFT's
        torch.manual_seed(config.seed)
        wrapped: Any = get_peft_model(
            model,
            LoraConfig(
                task_type="CAUSAL_LM",
                r=config.lora_rank,
                lora_alpha=config.lora_alpha,
                lora_dropout=config.lora_dropout,
                target_modules=list(config.lora_targets),
                trainable_token_indices=_rows(model, new_token_ids),
            ),
            adapter_name=ADAPTER,
        )
    look_rows_up(wrapped)
    peft_model: PeftModel = wrapped
    return peft_model


def _rows(model: LlamaForCausalLM, ids: Iterable[int]) -> dict[str, list[int]] | None:
    chosen = sorted(set(ids))
    if not chosen:
        return None
    if model.config.tie_word_embeddings:  # PEFT lets the head follow
        return {"embed_tokens": chosen}
    return {"embed_tokens": chosen, "lm_head": chosen}


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)  # those of bitsandbytes are, too
