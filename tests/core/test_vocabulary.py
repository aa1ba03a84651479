# SPDX-License-Identifier: Apache-2.0
"""Control tokens: ids by string, rows by mean, old behaviour untouched."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from yuren_core.chatml import CONTROL_TOKENS, IM_END, IM_START, IMG_PATCH, PAD
from yuren_core.errors import ModelFormatError
from yuren_core.model.vocabulary import ROW_MULTIPLE, add_control_tokens


def make_tokenizer(*, special: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of 256 tokens and the specials; every text can be written."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(special))
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def make_model(rows: int, *, tied: bool, dtype: torch.dtype = torch.float32) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=rows,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
    )
    model = LlamaForCausalLM(config).to(dtype).eval()
    with torch.no_grad():
        model.get_input_embeddings().weight += 1  # a mean that zeros and noise are far from
        if not tied:
            model.get_output_embeddings().weight -= 2
    return model


@torch.no_grad()
def logits(model: LlamaForCausalLM, ids: list[int]) -> torch.Tensor:
    return model(torch.tensor([ids])).logits


@pytest.mark.parametrize("tied", [True, False])
def test_old_text_gets_the_old_logits(tied: bool) -> None:
    tokenizer, model = make_tokenizer(), make_model(256, tied=tied)
    ids = tokenizer("A plain sentence, 你好.", add_special_tokens=False).input_ids
    before = logits(model, ids)

    add_control_tokens(model, tokenizer)

    assert tokenizer("A plain sentence, 你好.", add_special_tokens=False).input_ids == ids
    assert torch.equal(logits(model, ids)[..., :256], before)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_new_and_padding_rows_are_the_mean_of_the_old_ones(tied: bool, dtype: torch.dtype) -> None:
    tokenizer, model = make_tokenizer(), make_model(256, tied=tied, dtype=dtype)
    means = [
        module.weight.detach().float().mean(0).to(dtype)
        for module in (model.get_input_embeddings(), model.get_output_embeddings())
    ]

    change = add_control_tokens(model, tokenizer)

    assert change.rows == 384
    weights = [model.get_input_embeddings().weight, model.get_output_embeddings().weight]
    assert (weights[0] is weights[1]) is tied
    for weight, mean in zip(weights, means, strict=True):
        assert weight.shape[0] == 384
        assert torch.equal(weight[256:], mean.expand(128, -1))
    assert set(change.added.values()) == set(range(256, 262))


def test_tokens_of_the_base_keep_ids_and_rows_and_become_special() -> None:
    tokenizer = make_tokenizer(special=("<|endoftext|>", IM_START, IM_END))
    model = make_model(259, tied=False)
    row = model.get_input_embeddings().weight[258].detach().clone()

    change = add_control_tokens(model, tokenizer)

    assert (change.ids[IM_START], change.ids[IM_END]) == (257, 258)
    assert list(change.added) == [*CONTROL_TOKENS[2:], PAD]
    assert list(change.added.values()) == [259, 260, 261, 262]
    assert torch.equal(model.get_input_embeddings().weight[258], row)
    assert {*CONTROL_TOKENS} <= set(tokenizer.extra_special_tokens)


def test_rows_that_the_base_has_to_spare_are_used_by_token_id() -> None:
    tokenizer, model = make_tokenizer(), make_model(384, tied=False)
    weight = model.get_input_embeddings().weight.detach().clone()

    change = add_control_tokens(model, tokenizer)

    after = model.get_input_embeddings().weight
    assert (change.rows_before, change.rows) == (384, 384)
    new = list(change.added.values())
    torch.testing.assert_close(after[new], weight[:256].mean(0).expand(len(new), -1))
    assert torch.equal(after[max(new) + 1 :], weight[max(new) + 1 :])


@pytest.mark.parametrize("tied", [True, False])
def test_twice_is_once(tied: bool) -> None:
    tokenizer, model = make_tokenizer(), make_model(256, tied=tied)
    first = add_control_tokens(model, tokenizer)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    specials = list(tokenizer.extra_special_tokens)

    second = add_control_tokens(model, tokenizer)

    assert second.added == {}
    assert second.ids == first.ids
    assert (second.rows_before, second.rows) == (first.rows, first.rows)
    assert tokenizer.extra_special_tokens == specials
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_padding_is_never_the_end_and_nothing_is_put_around_text() -> None:
    tokenizer, model = make_tokenizer(special=("<s>", "</s>")), make_model(258, tied=False)
    tokenizer.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"})
    tokenizer.add_bos_token = True
    assert tokenizer("a").input_ids[0] == tokenizer.bos_token_id

    ids = add_control_tokens(model, tokenizer).ids

    assert tokenizer("a").input_ids == tokenizer("a", add_special_tokens=False).input_ids
    assert (tokenizer.eos_token, tokenizer.pad_token) == (IM_END, PAD)
    assert ids[IM_END] != ids[PAD]
    for config in (model.config, model.generation_config):
        assert (config.eos_token_id, config.pad_token_id) == (ids[IM_END], ids[PAD])
    assert model.config.vocab_size % ROW_MULTIPLE == 0


def test_the_saved_tokenizer_knows_them_and_splits_them_in_text(tmp_path: Path) -> None:
    tokenizer, model = make_tokenizer(), make_model(256, tied=True)
    ids = add_control_tokens(model, tokenizer).ids
    tokenizer.save_pretrained(tmp_path)

    saved = AutoTokenizer.from_pretrained(tmp_path)

    assert saved.convert_tokens_to_ids(list(ids)) == list(ids.values())
    assert saved(f" {IMG_PATCH} x").input_ids[1] == ids[IMG_PATCH]
    typed = saved("".join(ids), add_special_tokens=False, split_special_tokens=True).input_ids
    assert not set(typed) & set(ids.values())
    assert saved.decode(typed) == "".join(ids)


def test_a_quantized_embedding_is_refused() -> None:
    tokenizer, model = make_tokenizer(), make_model(256, tied=False)
    model.lm_head.weight = torch.nn.Parameter(
        torch.zeros(256, 16, dtype=torch.int8), requires_grad=False
    )
    with pytest.raises(ModelFormatError, match="cannot be extended"):
        add_control_tokens(model, tokenizer)
