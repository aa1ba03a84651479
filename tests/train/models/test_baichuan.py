# SPDX-License-Identifier: Apache-2.0
"""baichuan-7B as it is published becomes a base with the same logits; its relatives are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from sentencepiece import SentencePieceProcessor
from torch import Tensor
from torch.nn import functional

from tests.train.models.bases import sentencepiece_base
from yuren_core.errors import ModelFormatError, UnsafeCheckpointError
from yuren_core.model.checkpoint import read_config
from yuren_core.model.fast_tokenizer import ORDINARY_TEXT
from yuren_core.model.loading import load_model
from yuren_train.models.prepare_base import prepare_base

HIDDEN, HEADS, INTERMEDIATE, LAYERS, ROWS, EPS = 64, 4, 96, 2, 380, 1e-6
CONFIG: dict[str, Any] = {
    "architectures": ["BaiChuanForCausalLM"],
    "auto_map": {
        "AutoConfig": "configuration_baichuan.BaiChuanConfig",
        "AutoModelForCausalLM": "modeling_baichuan.BaiChuanForCausalLM",
    },
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": HIDDEN,
    "initializer_range": 0.02,
    "intermediate_size": INTERMEDIATE,
    "max_position_embeddings": 4096,
    "model_type": "baichuan",
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "pad_token_id": 0,
    "rms_norm_eps": EPS,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "use_cache": True,
    "vocab_size": ROWS,
}
TOKENIZER_CONFIG: dict[str, object] = {
    "auto_map": {"AutoTokenizer": ["tokenization_baichuan.BaiChuanTokenizer", None]},
    "add_bos_token": False,
    "add_eos_token": False,
    "clean_up_tokenization_spaces": False,
    "bos_token": {"__type": "AddedToken", "content": "<s>", "normalized": True},
    "eos_token": {"__type": "AddedToken", "content": "</s>", "normalized": True},
    "unk_token": {"__type": "AddedToken", "content": "<unk>", "normalized": True},
    "model_max_length": 1000000000000000019884624838656,
    "sp_model_kwargs": {},
    "tokenizer_class": "BaiChuanTokenizer",
}
CODE = "raise SystemExit('the code of a model directory has run')\n"


def weights() -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random) * 0.2

    made = {"model.embed_tokens.weight": drawn(ROWS, HIDDEN), "lm_head.weight": drawn(ROWS, HIDDEN)}
    made["model.norm.weight"] = 1 + drawn(HIDDEN)
    for layer in range(LAYERS):
        place = f"model.layers.{layer}"
        made |= {
            f"{place}.self_attn.W_pack.weight": drawn(3 * HIDDEN, HIDDEN),
            f"{place}.self_attn.o_proj.weight": drawn(HIDDEN, HIDDEN),
            f"{place}.self_attn.rotary_emb.inv_freq": frequencies(),
            f"{place}.mlp.gate_proj.weight": drawn(INTERMEDIATE, HIDDEN),
            f"{place}.mlp.up_proj.weight": drawn(INTERMEDIATE, HIDDEN),
            f"{place}.mlp.down_proj.weight": drawn(HIDDEN, INTERMEDIATE),
            f"{place}.input_layernorm.weight": 1 + drawn(HIDDEN),
            f"{place}.post_attention_layernorm.weight": 1 + drawn(HIDDEN),
        }
    return made


def baichuan(directory: Path, *, space_first: bool = True, **values: Any) -> Path:
    """A directory in the layout of the published one, at tiny size."""
    sentencepiece_base(directory, TOKENIZER_CONFIG, space_first=space_first)
    for file in (*directory.glob("*.safetensors"), directory / "generation_config.json"):
        file.unlink()
    config = {name: value for name, value in (CONFIG | values).items() if value is not None}
    (directory / "config.json").write_text(json.dumps(config))
    for name in ("configuration", "modeling", "tokenization"):
        (directory / f"{name}_baichuan.py").write_text(CODE)
    torch.save(weights(), directory / "pytorch_model.bin")
    return directory


def frequencies() -> Tensor:
    size = HIDDEN // HEADS
    return 1.0 / 10000 ** (torch.arange(0, size, 2).float() / size)


def norm(x: Tensor, weight: Tensor) -> Tensor:
    return weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPS)


def rotated(x: Tensor) -> Tensor:
    """Rotary positions of (H, T, D), the halves of a head turned together."""
    angles = torch.outer(torch.arange(x.shape[1]).float(), frequencies()).repeat(1, 2)
    one, other = x.chunk(2, dim=-1)
    return x * angles.cos() + torch.cat((-other, one), dim=-1) * angles.sin()


def reference(ids: list[int]) -> Tensor:
    """Logits (T, V), with the fused matrix."""
    w = weights()
    x = w["model.embed_tokens.weight"][ids]
    mask = torch.full((len(ids), len(ids)), -torch.inf).triu(1)
    for layer in range(LAYERS):
        place = f"model.layers.{layer}"
        hidden = norm(x, w[f"{place}.input_layernorm.weight"])
        packed = hidden @ w[f"{place}.self_attn.W_pack.weight"].T  # (T, 3 D)
        query, key, value = packed.view(len(ids), 3, HEADS, -1).permute(1, 2, 0, 3)  # (H, T, d)
        scores = rotated(query) @ rotated(key).mT / (HIDDEN // HEADS) ** 0.5
        mixed = (scores + mask).softmax(-1) @ value
        x = x + mixed.transpose(0, 1).reshape(len(ids), HIDDEN) @ (
            w[f"{place}.self_attn.o_proj.weight"].T
        )
        hidden = norm(x, w[f"{place}.post_attention_layernorm.weight"])
        gate = functional.silu(hidden @ w[f"{place}.mlp.gate_proj.weight"].T)
        up = hidden @ w[f"{place}.mlp.up_proj.weight"].T
        x = x + (gate * up) @ w[f"{place}.mlp.down_proj.weight"].T
    return norm(x, w["model.norm.weight"]) @ w["lm_head.weight"].T


@pytest.mark.parametrize("space_first", [True, False])
def test_it_becomes_a_llama_with_the_logits_of_the_fused_matrix(
    tmp_path: Path, space_first: bool
) -> None:
    source = baichuan(tmp_path / "baichuan", space_first=space_first)
    made = prepare_base(str(source), tmp_path / "out")
    assert (made.change.rows_before, made.context_length, made.is_tied) == (ROWS, 4096, False)
    config = read_config(tmp_path / "out")
    assert (config.model_type, config.rms_norm_eps) == ("llama", EPS)
    assert config.num_key_value_heads == HEADS
    loaded = load_model(str(tmp_path / "out"), load="fp32", device="cpu")
    pieces = SentencePieceProcessor(model_file=str(source / "tokenizer.model"))
    for text in ORDINARY_TEXT:
        ids = loaded.tokenizer.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert ids == pieces.encode(text)
        logits = loaded.model(input_ids=torch.tensor([ids])).logits[0, :, :ROWS]
        torch.testing.assert_close(logits, reference(ids), rtol=1e-4, atol=1e-4)


def test_the_chat_says_what_to_do_with_it(tmp_path: Path) -> None:
    source = baichuan(tmp_path / "baichuan")
    with pytest.raises(ModelFormatError, match="'baichuan'") as error:
        load_model(str(source))
    assert f"prepare-base --model {source}" in error.value.hint


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"vocab_size": 125_696}, "NormHead"),
        ({"z_loss_weight": 0}, "NormHead"),
        ({"max_position_embeddings": None, "model_max_length": 4096}, "ALiBi"),
    ],
)
def test_relatives_that_compute_otherwise_are_refused(
    tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    source = baichuan(tmp_path / "baichuan", **values)
    with pytest.raises(ModelFormatError, match=said):
        prepare_base(str(source), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_pickle_that_wants_more_than_tensors_is_refused(tmp_path: Path) -> None:
    source = baichuan(tmp_path / "baichuan")
    torch.save({**weights(), "lm_head.weight": tmp_path}, source / "pytorch_model.bin")
    with pytest.raises(UnsafeCheckpointError):
        prepare_base(str(source), tmp_path / "out")
