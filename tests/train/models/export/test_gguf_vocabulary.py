# SPDX-License-Identifier: Apache-2.0
"""Tokenizers as GGUF holds them, and those that it cannot hold."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from gguf import TokenType
from tokenizers import Regex, Tokenizer, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests.core.metaspace_tokenizer import metaspace_tokenizer
from tests.tiny import tiny_tokenizer
from yuren_core.errors import ModelFormatError
from yuren_train.models.export.gguf_vocabulary import gguf_vocabulary

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")


def byte_level(*, regex: bool, prefix: bool = False) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)


def split(pattern: str) -> pre_tokenizers.PreTokenizer:
    cut = pre_tokenizers.Split(Regex(pattern), "isolated")
    return pre_tokenizers.Sequence([cut, byte_level(regex=False)])


def cutting(step: pre_tokenizers.PreTokenizer) -> PreTrainedTokenizerFast:
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.pre_tokenizer = step
    return tokenizer


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (byte_level(regex=True), "gpt-2"),
        (
            pre_tokenizers.Sequence(
                [pre_tokenizers.Digits(individual_digits=True), byte_level(regex=True)]
            ),
            "smollm",
        ),
        (split(LLAMA3), "llama-bpe"),
        (split(QWEN2), "qwen2"),
    ],
)
def test_ways_of_cutting_words_have_llama_cpps_names(
    step: pre_tokenizers.PreTokenizer, name: str
) -> None:
    tokenizer = cutting(step)
    found = gguf_vocabulary(tokenizer, 512)
    assert (found.model, found.splitting, found.scores) == ("gpt2", name, [])
    assert len(found.tokens) == len(found.types) == 512
    left, _, right = found.merges[0].partition(" ")
    assert left + right in found.tokens
    assert found.types[tokenizer.convert_tokens_to_ids("<|im_end|>")] == TokenType.CONTROL
    assert found.types[-1] == TokenType.UNUSED


@pytest.mark.parametrize(
    "step",
    [
        split(r"\p{L}+|\p{N}+"),
        byte_level(regex=True, prefix=True),
        byte_level(regex=False),
        pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), byte_level(regex=True)]),
    ],
)
def test_other_ways_are_refused_with_the_way_out(step: pre_tokenizers.PreTokenizer) -> None:
    with pytest.raises(ModelFormatError, match="no name for how") as caught:
        gguf_vocabulary(cutting(step), 512)
    assert "llama.cpp's own script" in caught.value.hint


@pytest.mark.parametrize(("prefix", "spaced"), [("first", False), ("each", True)])
def test_sentencepieces_kind_has_scores_that_fall_with_each_merge(
    prefix: Literal["first", "each"], spaced: bool
) -> None:
    tokenizer = metaspace_tokenizer(prefix).tokenizer
    found = gguf_vocabulary(tokenizer, 640)
    assert (found.model, found.splitting, found.merges) == ("llama", "default", [])
    assert found.add_space_prefix is spaced
    types = dict(zip(found.tokens, found.types, strict=True))
    assert types["<0x0A>"] == TokenType.BYTE
    assert types["<unk>"] == TokenType.UNKNOWN
    assert types["<|im_start|>"] == TokenType.CONTROL
    whole: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    made = ["".join(merge) for merge in whole["model"]["merges"]]
    scores = dict(zip(found.tokens, found.scores, strict=True))
    assert [scores[token] for token in made] == sorted((scores[t] for t in made), reverse=True)


def test_a_tokenizer_that_is_no_bpe_is_refused() -> None:
    from tokenizers import models

    backend = Tokenizer(models.WordLevel({"a": 0, "<unk>": 1}, unk_token="<unk>"))
    with pytest.raises(ModelFormatError, match="WordLevel"):
        gguf_vocabulary(PreTrainedTokenizerFast(tokenizer_object=backend), 2)
