# SPDX-License-Identifier: Apache-2.0
"""Which architectures run, by `model_type`: LLaMA, ours that sees, and two of LLaMA's kind.

Mistral and Qwen2 have LLaMA's parts under LLaMA's names, so whatever reads, quantizes and runs a
LLaMA takes them too; only talking to them is proved, and training is LLaMA's alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from yuren_core.model.multimodal_llama import MultimodalLlamaConfig, MultimodalLlamaForCausalLM

TRAINED: Mapping[str, Any] = {"llama": LlamaConfig, "multimodal_llama": MultimodalLlamaConfig}
"""Configs of what can be trained."""

TALKED_TO: Mapping[str, Any] = {**TRAINED, "mistral": MistralConfig, "qwen2": Qwen2Config}
"""Configs of what can be talked to."""

LLAVA_TYPES = ("llava", "llava_llama")
"""What the two layouts of LLaVA call themselves; they too can be talked to."""

_MODELS: Mapping[str, Any] = {
    "llama": LlamaForCausalLM,
    "mistral": MistralForCausalLM,
    "qwen2": Qwen2ForCausalLM,
}


def empty_model(config: LlamaConfig) -> LlamaForCausalLM:
    """The model of a config, with whatever weights torch gives it."""
    if isinstance(config, MultimodalLlamaConfig):
        cls: Any = MultimodalLlamaForCausalLM if config.use_mm_proj else LlamaForCausalLM
    else:
        cls = _MODELS[config.model_type]
    model: LlamaForCausalLM = cls(config)
    return model
