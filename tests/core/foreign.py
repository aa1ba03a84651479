# SPDX-License-Identifier: Apache-2.0
"""Chat models of others at tiny size, saved by transformers' own classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from tests.core.metaspace_tokenizer import metaspace_tokenizer
from tests.train.models.bases import plain_tokenizer

# Templates written anew in the ways that such models have them: what they do is what counts.
BRACKETS = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate, the user first') }}"
    "{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] | trim + eos_token }}{% endif %}"
    "{% endfor %}"
)
"""Mistral's: no system prompt, strict turns, answers trimmed, brackets that are plain text."""

DEFAULT_SYSTEM = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a model.<|im_end|>\\n' }}"
    "{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""Qwen2's: ChatML with a system prompt of its own where there is none."""

HEADERS = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'].strip() + '</s>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
"""Of a LLaMA: headers that are plain text, everything trimmed."""

_SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def make_mistral(directory: Path) -> Path:
    """With a sliding window shorter than a conversation."""
    tokenizer = metaspace_tokenizer("first").tokenizer
    bare = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )
    config = MistralConfig(**_SHAPE, vocab_size=len(bare), sliding_window=24)
    return _save(directory, MistralForCausalLM, config, bare, BRACKETS)


def make_qwen2(directory: Path) -> Path:
    """With biases, tied embeddings, two tokens that end an answer, and an unmarked control."""
    tokenizer = plain_tokenizer(special=("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    tokenizer.add_tokens([AddedToken("<tool_call>", special=False, normalized=False)])
    tokenizer.eos_token = "<|im_end|>"
    tokenizer.bos_token = None
    config = Qwen2Config(**_SHAPE, vocab_size=len(tokenizer), tie_word_embeddings=True)
    _save(directory, Qwen2ForCausalLM, config, tokenizer, DEFAULT_SYSTEM)
    ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    return directory


def make_llama(directory: Path) -> Path:
    """A LLaMA that knows no ChatML."""
    tokenizer = plain_tokenizer()
    config = LlamaConfig(**_SHAPE, vocab_size=len(tokenizer))
    return _save(directory, LlamaForCausalLM, config, tokenizer, HEADERS)


def _save(
    directory: Path, cls: Any, config: Any, tokenizer: PreTrainedTokenizerFast, template: str
) -> Path:
    torch.manual_seed(0)
    model = cls(config)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.5)  # transformers begins with zeros
    model.save_pretrained(directory)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(directory)
    return directory
