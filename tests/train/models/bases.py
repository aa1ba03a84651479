# SPDX-License-Identifier: Apache-2.0
"""Bases as they are found: without control tokens, in `.bin` shards, with SentencePiece alone."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from sentencepiece import SentencePieceTrainer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

_TEXT = [
    "The capital of France is Paris. It had 2,102,650 inhabitants in 2023.",
    "羽人是一种多模态大语言模型，能看图，也能聊天。",
    "def greet(name): return f'Hello, {name}!' print(greet('you'))",
]


def plain_tokenizer(*, tokens: int = 400, special: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """A byte-level BPE without a control token, apart from those asked for."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=tokens,
        special_tokens=["<unk>", "<s>", "</s>", *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_TEXT * 5, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


def tiny_llama(
    rows: int, *, tied: bool = False, dtype: torch.dtype = torch.bfloat16
) -> LlamaForCausalLM:
    """Random weights, for any number of rows."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=rows,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=tied,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).to(dtype)


def plain_base(directory: Path, *, tied: bool = False, dtype: torch.dtype = torch.bfloat16) -> Path:
    """A base with a fast tokenizer, an odd number of rows and no control token."""
    tokenizer = plain_tokenizer()
    tokenizer.save_pretrained(directory)
    tiny_llama(len(tokenizer), tied=tied, dtype=dtype).save_pretrained(directory)
    return directory


def in_bin_shards(directory: Path) -> Path:
    """The same base with its weights in two `.bin` files and an index."""
    from safetensors.torch import load_file

    weights = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    names, index = sorted(weights), {}
    for part, chosen in enumerate((names[:7], names[7:]), 1):
        file = f"pytorch_model-{part:05}-of-00002.bin"
        torch.save({name: weights[name] for name in chosen}, directory / file)
        index |= dict.fromkeys(chosen, file)
    (directory / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    return directory


def sentencepiece_base(
    directory: Path, config: dict[str, object] | None, *, space_first: bool = True
) -> Path:
    """A base with nothing but `tokenizer.model`, and a `tokenizer_config.json` where given.

    Args:
        directory: is made.
        config: of the tokenizer.
        space_first: whether SentencePiece puts a space before each text.
    """
    directory.mkdir(parents=True)
    corpus = directory / "corpus.txt"
    corpus.write_text("\n".join(_TEXT * 5), encoding="utf-8")
    SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(directory / "tokenizer"),
        vocab_size=380,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=1.0,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=space_first,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    corpus.unlink()
    (directory / "tokenizer.vocab").unlink()
    if config is not None:
        (directory / "tokenizer_config.json").write_text(json.dumps(config))
    tiny_llama(380).save_pretrained(directory)
    return directory
