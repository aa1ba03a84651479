# SPDX-License-Identifier: Apache-2.0
"""Writes a tiny LLaMA as a GGUF file, with a byte-level tokenizer of SmolLM's kind."""

from __future__ import annotations

from pathlib import Path

import torch
from gguf import GGUFWriter, TokenType
from tokenizers import pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = ("Ċ Ċ", "Ġ Ġ")
TOKENS = (
    *SPECIALS,
    *sorted(pre_tokenizers.ByteLevel.alphabet()),
    *("".join(merge.split()) for merge in MERGES),
)

_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "model.layers": "blk",
}


def make_llama(*, tied: bool = True) -> LlamaForCausalLM:
    """A random LLaMA that fits `TOKENS`, its weights such as bf16 can hold."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(TOKENS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
        rope_theta=100000.0,
        tie_word_embeddings=tied,
    )
    model = LlamaForCausalLM(config).eval()
    for parameter in model.parameters():  # not `.to`: rotary frequencies stay in fp32
        parameter.data = parameter.data.to(torch.bfloat16)
    return model


def write_gguf(
    path: Path, model: LlamaForCausalLM, *, pre: str = "smollm", architecture: str = "llama"
) -> None:
    """Write `model` as llama.cpp's converter would."""
    config = model.config
    writer = GGUFWriter(path, architecture)
    writer.add_name("Tiny 1M Working Title")
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(100000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(list(TOKENS))
    kinds = [TokenType.CONTROL if t in SPECIALS else TokenType.NORMAL for t in TOKENS]
    writer.add_token_types(kinds)
    writer.add_token_merges(list(MERGES))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if "q_proj" in name:
            tensor = _permute(tensor, config.num_attention_heads)
        elif "k_proj" in name:
            tensor = _permute(tensor, config.num_key_value_heads)
        for ours, theirs in _NAMES.items():
            name = name.replace(ours, theirs)
        writer.add_tensor(name, tensor.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _permute(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """The order of rotary halves that GGUF keeps (llama.cpp, convert_hf_to_gguf.py)."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return halves.swapaxes(1, 2).reshape(weight.shape)
