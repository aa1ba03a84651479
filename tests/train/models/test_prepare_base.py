# SPDX-License-Identifier: Apache-2.0
"""Bases of every kind become models that chat; what disagrees is refused before it is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from sentencepiece import SentencePieceProcessor
from transformers import LlamaForCausalLM

from tests.tiny import (
    IMAGE_TOKENS,
    VISION_WIDTH,
    advise_greedy,
    make_multimodal_model,
    make_text_model,
    tiny_tower,
)
from tests.train.models.bases import (
    in_bin_shards,
    plain_base,
    plain_tokenizer,
    sentencepiece_base,
    tiny_llama,
)
from yuren_core.chatml import CONTROL_TOKENS, IM_END, IM_START, IMG_PATCH, PAD, chat_template
from yuren_core.errors import ModelError, ModelFormatError, StorageError, UsageError
from yuren_core.model.checkpoint import read_config
from yuren_core.model.fast_tokenizer import ORDINARY_TEXT, fast_tokenizer
from yuren_core.model.loading import load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig, MultimodalLlamaForCausalLM
from yuren_core.model.recommended_sampling import recommended_sampling
from yuren_core.sampling_params import GREEDY
from yuren_train.models import prepare_base as module
from yuren_train.models.prepare_base import prepare_base


def weights_of(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / "model.safetensors")


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_tokens_rows_and_logits(tmp_path: Path, tied: bool, dtype: torch.dtype) -> None:
    source = plain_base(tmp_path / "base", tied=tied, dtype=dtype)
    old = weights_of(source)
    made = prepare_base(str(source), tmp_path / "out")
    rows = len(plain_tokenizer())
    assert (made.change.rows_before, made.change.rows % 128, made.is_tied) == (rows, 0, tied)
    assert list(made.change.added) == [*CONTROL_TOKENS, PAD]
    assert list(made.change.added.values()) == list(range(rows, rows + 6))
    assert made.compared > 50
    assert made.difference <= 4 * torch.finfo(dtype).eps * 10
    new = weights_of(tmp_path / "out")
    assert ("lm_head.weight" in new) is not tied
    for name, tensor in old.items():
        assert new[name].dtype == dtype
        assert torch.equal(new[name][: len(tensor)], tensor)
    for name in ("model.embed_tokens.weight", *(() if tied else ("lm_head.weight",))):
        mean = old[name].float().mean(0).to(dtype)
        assert torch.equal(new[name][rows:], mean.expand(made.change.rows - rows, -1))
    theirs = LlamaForCausalLM.from_pretrained(source, dtype=torch.float32)
    ours = load_model(str(tmp_path / "out"), load="fp32", device="cpu")
    ids = torch.tensor([ours.tokenizer.encode_text(ORDINARY_TEXT[1])])
    torch.testing.assert_close(
        ours.model(input_ids=ids).logits[..., :rows], theirs(input_ids=ids).logits
    )


def test_what_is_saved_beside_the_weights(tmp_path: Path) -> None:
    source = plain_base(tmp_path / "base")
    made = prepare_base(str(source), tmp_path / "out", context_length=4096)
    out = tmp_path / "out"
    assert made.context_length == 4096
    config = read_config(out)
    assert config.max_position_embeddings == 4096
    assert config.eos_token_id == made.change.ids[IM_END]
    loaded = load_model(str(out), load="fp32", device="cpu")
    tokenizer = loaded.tokenizer.tokenizer
    assert tokenizer.chat_template == chat_template(0)
    assert (tokenizer.model_max_length, tokenizer.pad_token) == (4096, PAD)
    generation = json.loads((out / "generation_config.json").read_text())
    assert generation["eos_token_id"] == made.change.ids[IM_END]
    assert generation["pad_token_id"] == made.change.ids[PAD] != generation["eos_token_id"]
    provenance = json.loads((out / "provenance.json").read_text())
    assert provenance["source"]["ref"] == str(source)
    assert set(provenance["source"]["sha256"]) == {"config.json", "model.safetensors"}
    assert provenance["arguments"]["added_tokens"] == made.change.added
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "out"]


def test_the_base_s_advice_on_sampling_stays(tmp_path: Path) -> None:
    source = plain_base(tmp_path / "base")
    advise_greedy(source)
    prepare_base(str(source), tmp_path / "out")
    assert recommended_sampling(tmp_path / "out") == GREEDY


def test_tokens_that_are_there_keep_their_ids(tmp_path: Path) -> None:
    tokenizer = plain_tokenizer(special=(IM_START, IM_END))
    tokenizer.save_pretrained(tmp_path / "base")
    tiny_llama(len(tokenizer)).save_pretrained(tmp_path / "base")
    made = prepare_base(str(tmp_path / "base"), tmp_path / "out")
    assert (made.change.ids[IM_START], made.change.ids[IM_END]) == (3, 4)
    assert set(made.change.added) == {*CONTROL_TOKENS[2:], PAD}
    again = prepare_base(str(tmp_path / "out"), tmp_path / "again")
    assert again.change.added == {}
    assert again.change.ids == made.change.ids
    old, new = weights_of(tmp_path / "out"), weights_of(tmp_path / "again")
    assert all(torch.equal(old[name], new[name]) for name in old)


def test_bin_shards(tmp_path: Path) -> None:
    whole = prepare_base(str(plain_base(tmp_path / "base")), tmp_path / "one")
    shards = in_bin_shards(plain_base(tmp_path / "shards"))
    assert prepare_base(str(shards), tmp_path / "two").change == whole.change
    one, two = weights_of(tmp_path / "one"), weights_of(tmp_path / "two")
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("in_bin", [False, True])
def test_tokens_that_fall_on_padding_rows_leave_the_source_as_it_is(
    tmp_path: Path, in_bin: bool
) -> None:
    tokenizer = plain_tokenizer()
    tokenizer.save_pretrained(tmp_path / "base")
    tiny_llama(512).save_pretrained(tmp_path / "base")
    if in_bin:
        in_bin_shards(tmp_path / "base")
    before = {path.name: path.read_bytes() for path in (tmp_path / "base").iterdir()}
    made = prepare_base(str(tmp_path / "base"), tmp_path / "out")
    assert (made.change.rows_before, made.change.rows) == (512, 512)
    assert {path.name: path.read_bytes() for path in (tmp_path / "base").iterdir()} == before
    embeddings = weights_of(tmp_path / "out")["model.embed_tokens.weight"]
    new = list(made.change.added.values())
    mean = embeddings[: len(tokenizer)].float().mean(0).bfloat16()
    assert torch.equal(embeddings[new], mean.expand(6, -1))


@pytest.mark.parametrize(
    "config",
    [
        {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": True},
        {
            "tokenizer_class": "BaiChuanTokenizer",
            "auto_map": {"AutoTokenizer": ["tokenization_baichuan.BaiChuanTokenizer", None]},
        },
        {"tokenizer_class": "SomebodysTokenizer"},
        None,
    ],
    ids=["llama", "code", "unknown", "none"],
)
def test_sentencepiece_alone_becomes_a_fast_tokenizer_with_the_same_ids(
    tmp_path: Path, config: dict[str, object] | None
) -> None:
    source = sentencepiece_base(tmp_path / "base", config)
    made = prepare_base(str(source), tmp_path / "out")
    assert made.change.rows_before == 380
    pieces = SentencePieceProcessor(model_file=str(source / "tokenizer.model"))
    tokenizer = load_model(str(tmp_path / "out"), load="bf16", device="cpu").tokenizer.tokenizer
    assert tokenizer.is_fast
    for text in (*ORDINARY_TEXT, "Ein Satz, der fremd ist: Übermut 🙃"):
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == pieces.encode(text)
        assert tokenizer(text)["input_ids"] == pieces.encode(text)  # no <s> any more


def test_a_conversion_that_cuts_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sentencepiece_base(tmp_path / "base", None)
    for way in ("load_tokenizer", "LlamaTokenizer.from_pretrained"):
        monkeypatch.setattr(
            f"yuren_core.model.fast_tokenizer.{way}", lambda directory, **_: plain_tokenizer()
        )
    with pytest.raises(ModelFormatError, match=r"tokenizer\.model that cuts text"):
        fast_tokenizer(source)


def test_a_tower_makes_the_base_see(tmp_path: Path) -> None:
    source = plain_base(tmp_path / "base", tied=True)
    tiny_tower(directory=tmp_path / "tower")
    made = prepare_base(str(source), tmp_path / "out", vision_tower=str(tmp_path / "tower"), seed=3)
    assert made.image_tokens == IMAGE_TOKENS
    assert made.is_tied
    loaded = load_model(str(tmp_path / "out"), load="fp32", device="cpu")
    assert isinstance(loaded.model, MultimodalLlamaForCausalLM)
    projector = loaded.model.model.mm_projector
    assert projector.weight.shape == (64, VISION_WIDTH)
    assert 0.15 < float(projector.weight.std()) < 0.25  # the base's initializer_range
    assert not projector.bias.any()
    config = read_config(tmp_path / "out")
    assert isinstance(config, MultimodalLlamaConfig)
    assert config.image_token_id == made.change.ids[IMG_PATCH]
    assert config.mm_vision_select_layer == -2
    assert loaded.tokenizer.tokenizer.chat_template == chat_template(IMAGE_TOKENS)
    again = prepare_base(
        str(source), tmp_path / "again", vision_tower=str(tmp_path / "tower"), seed=3
    )
    assert again == made.__class__(**{**vars_of(made), "path": tmp_path / "again"})
    one, two = weights_of(tmp_path / "out"), weights_of(tmp_path / "again")
    assert all(torch.equal(one[name], two[name]) for name in one)


def vars_of(value: module.PreparedBase) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def test_a_base_that_sees_keeps_its_tower_and_projector(tmp_path: Path) -> None:
    source = make_multimodal_model(tmp_path / "base")
    made = prepare_base(str(source), tmp_path / "out")
    assert made.image_tokens == IMAGE_TOKENS
    old, new = weights_of(source), weights_of(tmp_path / "out")
    assert torch.equal(old["model.mm_projector.weight"], new["model.mm_projector.weight"])
    tower = "vision_tower/open_clip_model.safetensors"
    one, two = load_file(source / tower), load_file(tmp_path / "out" / tower)
    assert all(torch.equal(one[name], two[name]) for name in one)


# ---------------------------------------------------------------- what disagrees, and is refused


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    plain_tokenizer(tokens=400).save_pretrained(tmp_path / "small")
    tiny_llama(300).save_pretrained(tmp_path / "small")
    with pytest.raises(ModelFormatError, match="390 tokens, 300 rows"):
        prepare_base(str(tmp_path / "small"), tmp_path / "out")
    plain_tokenizer(tokens=400).save_pretrained(tmp_path / "large")
    tiny_llama(2000).save_pretrained(tmp_path / "large")
    with pytest.raises(ModelFormatError, match="390 tokens, 2000 rows"):
        prepare_base(str(tmp_path / "large"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_added_token_without_a_row_gets_one(tmp_path: Path) -> None:
    tokenizer = plain_tokenizer()
    rows = len(tokenizer)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(tmp_path / "base")
    tiny_llama(rows).save_pretrained(tmp_path / "base")
    made = prepare_base(str(tmp_path / "base"), tmp_path / "out")
    assert made.orphans == ("[PAD]",)
    embeddings = weights_of(tmp_path / "out")["model.embed_tokens.weight"]
    assert torch.equal(embeddings[rows], embeddings[rows + 1])


def test_a_shape_that_the_config_does_not_say_is_refused(tmp_path: Path) -> None:
    source = plain_base(tmp_path / "base")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "vocab_size": 300}))
    with pytest.raises(ModelError):
        prepare_base(str(source), tmp_path / "out")


def test_a_place_that_is_taken_is_refused(tmp_path: Path) -> None:
    source = plain_base(tmp_path / "base")
    before = sorted(source.iterdir())
    with pytest.raises(UsageError, match="is there already"):
        prepare_base(str(source), source)
    assert sorted(source.iterdir()) == before
    (tmp_path / "empty").mkdir()
    assert prepare_base(str(source), tmp_path / "empty").path == tmp_path / "empty"
    with pytest.raises(UsageError, match="0 tokens"):
        prepare_base(str(source), tmp_path / "out", context_length=0)


def test_an_adapter_is_no_base(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match="is an adapter"):
        prepare_base(str(tmp_path / "adapter"), tmp_path / "out")


@pytest.mark.parametrize("what", ["weights", "ids"])
def test_what_answers_otherwise_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    source = make_text_model(tmp_path / "base", tied=False)
    write = module.write_model_directory

    def disturbed(directory: Path, *, model: LlamaForCausalLM, **values: object) -> None:
        if what == "weights":
            model.lm_head.weight[7] += 0.1
        write(directory, model=model, **values)  # type: ignore[arg-type]
        if what == "ids":
            plain_tokenizer().save_pretrained(directory)

    monkeypatch.setattr(module, "write_model_directory", disturbed)
    with pytest.raises(StorageError, match="logits" if what == "weights" else "cuts ordinary text"):
        prepare_base(str(source), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["base"]
