# SPDX-License-Identifier: Apache-2.0
"""Adapters that we write: the chat and PEFT alike get the logits that training ended with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, LlamaForCausalLM

from tests.tiny import make_multimodal_model, make_text_model
from yuren_core.chatml import chat_template
from yuren_core.errors import StorageError
from yuren_core.model.loading import LoadedModel, load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM
from yuren_train.config import Method, TrainConfig
from yuren_train.training import adapter_saving
from yuren_train.training.adapter_saving import save_adapter
from yuren_train.training.lora import load_base, prepare, trained_token_ids

IDS = torch.tensor([[1, 45, 300, 2, 402, 401, 77, 1, 9]])


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_text_model(tmp_path_factory.mktemp("saving") / "base", tied=request.param)


def trained(base: Path, method: Method = "lora") -> tuple[LoadedModel, PeftModel]:
    """A LoRA whose every tensor has moved."""
    config = TrainConfig(
        stage="stage1",
        model=str(base),
        data=(),
        out=Path("out"),
        method=method,
        dtype="fp32",
        lora_rank=4,
    )
    loaded = load_base(config, device="cpu")
    model = prepare(loaded.model, config, trained_token_ids(loaded.tokenizer))
    torch.manual_seed(7)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.requires_grad:
                tensor.add_(torch.randn_like(tensor) * 0.1)
    return loaded, model.eval()


@torch.no_grad()
def logits_of(model: torch.nn.Module) -> Tensor:
    logits: Tensor = model(input_ids=IDS).logits
    return logits.float()


def test_merged_and_peft_s_logits_are_those_of_training(base: Path, tmp_path: Path) -> None:
    loaded, model = trained(base)
    save_adapter(tmp_path / "adapter", model, base=loaded, ref=str(base))
    ended = logits_of(model)
    merged = load_model(str(tmp_path / "adapter"), load="fp32", device="cpu")
    torch.testing.assert_close(logits_of(merged.model), ended, rtol=1e-4, atol=1e-4)
    plain = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
    theirs = PeftModel.from_pretrained(plain, str(tmp_path / "adapter"))
    torch.testing.assert_close(logits_of(theirs), ended, rtol=1e-4, atol=1e-4)


def test_qlora_writes_no_4_bit_weight_and_loads_in_4_bits_as_it_was_trained(
    base: Path, tmp_path: Path
) -> None:
    loaded, model = trained(base, "qlora")
    save_adapter(tmp_path / "adapter", model, base=loaded, ref=str(base))
    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert all("lora_" in name or "trainable_tokens_delta" in name for name in weights)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    with torch.autocast("cpu", torch.bfloat16):
        ended = logits_of(model)
    again = load_model(str(tmp_path / "adapter"), load="4bit", device="cpu")
    assert torch.cosine_similarity(logits_of(again.model), ended, dim=-1).min() > 0.995


def test_what_lies_beside_the_weights(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, model = trained(base)
    monkeypatch.chdir(base.parent)
    target = tmp_path / "adapter"
    target.mkdir()
    (target / "old").write_text("gone after the new one is whole")
    save_adapter(target, model, base=loaded, ref="base", provenance={"method": "lora"})
    config = json.loads((target / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(base.resolve())
    assert config["inference_mode"] is True
    provenance = json.loads((target / "provenance.json").read_text())
    assert provenance["method"] == "lora"
    assert provenance["base"]["ref"] == "base"
    assert provenance["base"]["precision"] == "fp32"
    assert len(provenance["base"]["fingerprint"]) == 64
    assert AutoTokenizer.from_pretrained(target).chat_template == chat_template(0)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
    assert not (target / "old").exists()


def test_a_hub_id_stays_a_hub_id(base: Path, tmp_path: Path) -> None:
    loaded, model = trained(base)
    save_adapter(tmp_path / "adapter", model, base=loaded, ref="someone/model")
    config = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "someone/model"


def test_gathered_tensors_are_written_in_place_of_the_model_s_own(
    base: Path, tmp_path: Path
) -> None:
    loaded, model = trained(base)
    ended = logits_of(model)
    state = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.requires_grad:
                tensor.zero_()
    save_adapter(tmp_path / "adapter", model, base=loaded, ref=str(base), state=state)
    merged = load_model(str(tmp_path / "adapter"), load="fp32", device="cpu")
    torch.testing.assert_close(logits_of(merged.model), ended, rtol=1e-4, atol=1e-4)


def test_a_trained_projector_goes_along(tmp_path: Path) -> None:
    loaded, model = trained(make_multimodal_model(tmp_path / "base"))
    inner = loaded.model
    assert isinstance(inner, MultimodalLlamaForCausalLM)
    projector = inner.model.mm_projector
    projector.requires_grad_(True)
    with torch.no_grad():
        projector.weight.add_(1)
    save_adapter(tmp_path / "adapter", model, base=loaded, ref=str(tmp_path / "base"))
    again = load_model(str(tmp_path / "adapter"), load="fp32", device="cpu")
    assert isinstance(again.model, MultimodalLlamaForCausalLM)
    assert torch.equal(again.model.model.mm_projector.weight, projector.weight)
    assert again.vision_tower is not None
    torch.testing.assert_close(logits_of(again.model), logits_of(model), rtol=1e-4, atol=1e-4)


def test_what_does_not_read_back_is_not_kept(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, model = trained(base)
    save = adapter_saving.save_file

    def disturbed(tensors: dict[str, Tensor], *args: object, **kwargs: object) -> None:
        save({name: tensor + 1e-3 for name, tensor in tensors.items()}, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(adapter_saving, "save_file", disturbed)
    with pytest.raises(StorageError, match="did not read back"):
        save_adapter(tmp_path / "adapter", model, base=loaded, ref=str(base))
    assert list(tmp_path.iterdir()) == []
