# SPDX-License-Identifier: Apache-2.0
"""The CPU's form of PEFT's LoRA layers against PEFT's own: values and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor

from yuren_core.model.loading import load_model
from yuren_core.model.quantization import keep_trainable
from yuren_train.training.cpu_layers import use_cpu_layers, use_plain_layers
from yuren_train.training.cpu_lora import CpuLoraLinear, CpuLoraLinear4bit

IDS = torch.tensor([[1, 45, 300, 2, 77, 1, 9, 120]])


def adapted(directory: Path, load: Any = "fp32") -> PeftModel:
    model = load_model(str(directory), load=load, device="cpu").model
    keep_trainable(model)
    vars(model)["is_loaded_in_4bit"] = load == "4bit"
    torch.manual_seed(3)
    wrapped: Any = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(parameter, std=0.1)
    peft_model: PeftModel = wrapped
    return peft_model


def results(model: PeftModel) -> dict[str, Tensor]:
    """The logits, and the gradient of every trained tensor."""
    logits = model(input_ids=IDS).logits
    weights = torch.linspace(-1, 1, logits.numel()).view_as(logits)
    (logits * weights).sum().backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return {"logits": logits.detach(), **gradients}


def test_as_pefts_own(text_model: Path) -> None:
    plain, fast = results(adapted(text_model)), adapted(text_model)
    use_cpu_layers(fast.get_base_model())
    assert any(isinstance(module, CpuLoraLinear) for module in fast.modules())
    found = results(fast)
    assert found.keys() == plain.keys()
    assert sum("lora_" in name for name in found) > 20
    for name, value in plain.items():
        torch.testing.assert_close(found[name], value, msg=name, rtol=1e-4, atol=1e-4)


def test_beside_weights_in_4_bits(text_model: Path) -> None:
    """Up to the rounding of bf16, in which weights in 4 bits compute."""
    plain, fast = results(adapted(text_model, "4bit")), adapted(text_model, "4bit")
    use_cpu_layers(fast.get_base_model())
    assert any(isinstance(module, CpuLoraLinear4bit) for module in fast.modules())
    found = results(fast)
    for name, value in plain.items():
        assert (found[name] - value).norm() < 0.08 * value.norm(), name


def test_under_autocast_gradients_stay_in_fp32(text_model: Path) -> None:
    model = adapted(text_model)
    use_cpu_layers(model.get_base_model())
    with torch.autocast("cpu", torch.bfloat16):
        found = results(model)
    wanted = results(adapted(text_model))
    for name, value in wanted.items():
        assert name == "logits" or found[name].dtype == torch.float32
        assert (found[name].float() - value).norm() < 0.08 * value.norm(), name


@pytest.mark.parametrize("change", ["off", "merged"])
def test_what_is_not_plain_lora_is_pefts(text_model: Path, change: str) -> None:
    model = adapted(text_model)
    with model.disable_adapter():
        bare = model(input_ids=IDS).logits
    full = model(input_ids=IDS).logits
    assert not torch.allclose(bare, full, atol=1e-2)
    use_cpu_layers(model.get_base_model())
    if change == "off":
        with model.disable_adapter():
            torch.testing.assert_close(model(input_ids=IDS).logits, bare)
    else:
        model.merge_adapter()
        torch.testing.assert_close(model(input_ids=IDS).logits, full, rtol=1e-4, atol=1e-4)


def test_layers_become_pefts_again(text_model: Path) -> None:
    model = adapted(text_model)
    kinds = [type(module) for module in model.modules()]
    use_cpu_layers(model.get_base_model())
    use_plain_layers(model)
    assert [type(module) for module in model.modules()] == kinds
