# SPDX-License-Identifier: Apache-2.0
"""Adapters merged into their bases: exact where they were trained, and the difference told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.core.foreign import DEFAULT_SYSTEM
from tests.core.published import make_published, put_tower_on_hub
from tests.tiny import IMAGE_TOKENS, advise_greedy, make_multimodal_model, make_text_model
from yuren_core.chatml import ChatMLStyle
from yuren_core.errors import ModelFormatError, UsageError
from yuren_core.model.loading import load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM
from yuren_core.model.prompt_format import ChatML
from yuren_core.model.recommended_sampling import recommended_sampling
from yuren_core.protocol import LoadMode
from yuren_core.sampling_params import GREEDY
from yuren_train.models.export.hf import export_hf
from yuren_train.models.merge import merge

IDS = torch.tensor([[1, 45, 300, 2, 402, 401, 77, 1, 9]])


def make_adapter(directory: Path, base: Path, *, precision: LoadMode, tied: bool = True) -> Path:
    """Matrices that change the logits much, and rows; written as training writes them."""
    torch.manual_seed(7)
    directory.mkdir()
    weights, widths = {}, {"q_proj": (64, 64), "down_proj": (128, 64), "v_proj": (64, 32)}
    for layer in range(3):
        for name, (inputs, outputs) in widths.items():
            place = f"model.layers.{layer}.{'mlp' if name[0] == 'd' else 'self_attn'}.{name}"
            weights[f"base_model.model.{place}.lora_A.weight"] = torch.randn(4, inputs) * 0.1
            weights[f"base_model.model.{place}.lora_B.weight"] = torch.randn(outputs, 4) * 0.1
    heads = ["model.embed_tokens"] if tied else ["model.embed_tokens", "lm_head"]
    for head in heads:
        rows = torch.randn(2, 64) * 0.2
        weights[f"base_model.model.{head}.token_adapter.trainable_tokens_delta"] = rows
    save_file(weights, directory / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(base),
        "r": 4,
        "lora_alpha": 8,
        "trainable_token_indices": {head.rpartition(".")[2]: [1, 2] for head in heads},
    }
    (directory / "adapter_config.json").write_text(json.dumps(config))
    (directory / "provenance.json").write_text(json.dumps({"base": {"precision": precision}}))
    return directory


def make_queries(directory: Path, base: Path) -> Path:
    """An adapter of one layer, without a tokenizer or a word of how it was trained."""
    directory.mkdir()
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    matrices = {"A": torch.randn(4, 64) * 0.1, "B": torch.randn(64, 4) * 0.1}
    save_file(
        {f"{layer}.lora_{name}.weight": matrix for name, matrix in matrices.items()},
        directory / "adapter_model.safetensors",
    )
    config = {"peft_type": "LORA", "base_model_name_or_path": str(base), "r": 4, "lora_alpha": 8}
    (directory / "adapter_config.json").write_text(json.dumps(config))
    return directory


def logits_of(directory: Path, mode: LoadMode) -> Tensor:
    logits: Tensor = load_model(str(directory), load=mode, device="cpu").model(input_ids=IDS).logits
    return logits.float()


@pytest.mark.parametrize("tied", [True, False])
def test_a_16_bit_adapter_merges_but_for_rounding(tmp_path: Path, tied: bool) -> None:
    base = make_text_model(tmp_path / "base", tied=tied)
    adapter = make_adapter(tmp_path / "adapter", base, precision="bf16", tied=tied)
    told: list[str] = []
    made = merge(str(adapter), tmp_path / "out", device="cpu", tell=told.append)
    assert told == ["compare", "merge", "write"]
    assert (made.base, made.trained_in_4bit) == (base, False)
    assert torch.equal(logits_of(tmp_path / "out", "bf16"), logits_of(adapter, "bf16"))
    assert made.difference.tokens > 100
    assert 0 < made.difference.mean < 0.05
    assert made.difference.same_choice > 0.9
    assert not torch.allclose(logits_of(base, "bf16"), logits_of(adapter, "bf16"), atol=0.5)


def test_an_fp32_base_gives_an_exact_fp32_model(tmp_path: Path) -> None:
    base = make_text_model(tmp_path / "base")
    weights = {k: t.float() for k, t in load_file(base / "model.safetensors").items()}
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    adapter = make_adapter(tmp_path / "adapter", base, precision="fp32")
    made = merge(str(adapter), tmp_path / "out", device="cpu")
    merged = load_file(tmp_path / "out" / "model.safetensors")
    assert {tensor.dtype for tensor in merged.values()} == {torch.float32}
    assert made.difference.largest < 1e-4
    assert made.difference.same_choice == 1


def test_a_4_bit_adapter_is_nearer_to_the_dequantized_base(tmp_path: Path) -> None:
    base = make_text_model(tmp_path / "base")
    adapter = make_adapter(tmp_path / "adapter", base, precision="4bit")
    near = merge(str(adapter), tmp_path / "near", dequantized=True, device="cpu")
    far = merge(str(adapter), tmp_path / "far", device="cpu")
    assert near.trained_in_4bit
    assert far.trained_in_4bit
    assert near.difference.mean < 0.2 * far.difference.mean
    assert near.difference.same_choice > 0.9
    old, new = (load_file(place / "model.safetensors") for place in (base, tmp_path / "near"))
    untouched = "model.layers.1.mlp.up_proj.weight"
    assert new[untouched].dtype == torch.bfloat16
    assert len(new[untouched].unique()) < len(old[untouched].unique())  # 16 steps a block
    name = "model.norm.weight"
    assert torch.equal(new[name], old[name])
    assert torch.equal(new["model.embed_tokens.weight"][5:], old["model.embed_tokens.weight"][5:])


def test_a_model_that_sees_keeps_its_eyes(tmp_path: Path) -> None:
    base = make_multimodal_model(tmp_path / "base")
    adapter = make_adapter(tmp_path / "adapter", base, precision="bf16", tied=False)
    projector = {"weight": torch.randn(64, 32), "bias": torch.randn(64)}
    save_file(
        {f"model.mm_projector.{name}": tensor for name, tensor in projector.items()},
        adapter / "mm_projector.safetensors",
    )
    merge(str(adapter), tmp_path / "out", device="cpu")
    loaded = load_model(str(tmp_path / "out"), load="bf16", device="cpu")
    assert loaded.image_cost == IMAGE_TOKENS + 2
    assert isinstance(loaded.model, MultimodalLlamaForCausalLM)
    weight = loaded.model.model.mm_projector.weight
    assert torch.equal(weight, projector["weight"].to(weight.dtype))


def test_a_model_of_another_style_is_told_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_published(tmp_path / "yuren")
    put_tower_on_hub(tmp_path / "hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    adapter = make_queries(tmp_path / "adapter", base)
    merge(str(adapter), tmp_path / "out", device="cpu")
    (tmp_path / "hub").rename(tmp_path / "gone")
    known = load_model(str(tmp_path / "out"), load="bf16", device="cpu").tokenizer.prompt_format
    assert isinstance(known, ChatML)
    assert known.style == ChatMLStyle("</s>", pictures_last=True)


def test_a_model_with_a_template_of_its_own_does_not_lose_it(tmp_path: Path) -> None:
    base = make_text_model(tmp_path / "base")
    (base / "chat_template.jinja").write_text(DEFAULT_SYSTEM)
    adapter = make_queries(tmp_path / "adapter", base)
    with pytest.raises(ModelFormatError, match="template of its own") as caught:
        merge(str(adapter), tmp_path / "out", device="cpu")
    assert "--to hf" in caught.value.hint
    assert export_hf(str(adapter), tmp_path / "out").difference.largest == 0
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == DEFAULT_SYSTEM


def test_provenance_and_tokenizer(tmp_path: Path) -> None:
    base = make_text_model(tmp_path / "base")
    advise_greedy(base)
    adapter = make_adapter(tmp_path / "adapter", base, precision="4bit")
    made = merge(str(adapter), tmp_path / "out", dequantized=True, device="cpu")
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert provenance["arguments"] == {"dequantized": True}
    assert provenance["difference"]["mean"] == made.difference.mean
    assert set(provenance["adapter"]["sha256"]) == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    assert set(provenance["base"]["sha256"]) == {"config.json", "model.safetensors"}
    assert provenance["base"]["path"] == str(base)
    assert (tmp_path / "out" / "chat_template.jinja").is_file()
    assert recommended_sampling(tmp_path / "out") == GREEDY


def test_what_is_no_adapter_and_what_is_there_is_refused(tmp_path: Path) -> None:
    base = make_text_model(tmp_path / "base")
    with pytest.raises(UsageError, match="is no adapter"):
        merge(str(base), tmp_path / "out", device="cpu")
    adapter = make_adapter(tmp_path / "adapter", base, precision="bf16")
    with pytest.raises(UsageError, match="is there already"):
        merge(str(adapter), adapter, device="cpu")
