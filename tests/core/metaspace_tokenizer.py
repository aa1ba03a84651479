# SPDX-License-Identifier: Apache-2.0
"""A tokenizer of SentencePiece's kind, as LLaMA's and Baichuan's are: spaces, bytes, a prefix."""

from __future__ import annotations

import json
from typing import Literal

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from yuren_core.chatml import CONTROL_TOKENS, PAD
from yuren_core.model.tokenization import ChatTokenizer

_TEXT = "The capital of France is Paris, a city.\nuser assistant system what is this? 你好 世界\n"


def metaspace_tokenizer(
    prefix: Literal["first", "each"], *, image_tokens: int = 0
) -> ChatTokenizer:
    """A byte-fallback BPE that puts a space before the first text, or before each."""
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if prefix == "first":
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        backend.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=names, show_progress=False)
    backend.train_from_iterator([_TEXT] * 20, trainer)
    backend.decoder = decoders.Sequence(
        [
            *(decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()),
            decoders.Strip(" ", 1, 0),
        ]
    )
    state = json.loads(backend.to_str())
    state["added_tokens"] = state["added_tokens"][:3]  # bytes are pieces like others
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)), unk_token="<unk>", eos_token="</s>"
    )
    tokenizer.add_special_tokens({"extra_special_tokens": [*CONTROL_TOKENS], "pad_token": PAD})
    return ChatTokenizer(tokenizer, image_tokens=image_tokens)
