# SPDX-License-Identifier: Apache-2.0
"""Sizes out of `config.json` are those of the model that it makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from tests.tiny import make_multimodal_model, make_text_model
from yuren_core.errors import ModelFormatError
from yuren_core.model.loading import load_model
from yuren_train.config import LORA_TARGETS
from yuren_train.config.model_shape import ModelShape


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_are_counted_as_torch_counts_them(tmp_path: Path, tied: bool) -> None:
    directory = make_text_model(tmp_path / "m", tied=tied)
    model = LlamaForCausalLM.from_pretrained(directory)
    assert ModelShape.of(directory).parameters == sum(p.numel() for p in model.parameters())


def test_the_projector_counts(tmp_path: Path) -> None:
    directory = make_multimodal_model(tmp_path / "m")
    model = load_model(str(directory), load="fp32").model
    assert ModelShape.of(directory).parameters == sum(p.numel() for p in model.parameters())


def test_lora_is_counted_as_peft_makes_it(tmp_path: Path) -> None:
    directory = make_text_model(tmp_path / "m")
    model = get_peft_model(
        LlamaForCausalLM.from_pretrained(directory),
        LoraConfig(r=6, target_modules=list(LORA_TARGETS)),
    )
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert ModelShape.of(directory).lora_parameters(6, LORA_TARGETS) == trained


@pytest.mark.parametrize("config", ["", "[]", "{}", '{"hidden_size": "wide"}'])
def test_a_config_without_sizes_is_refused(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelFormatError, match=r"config\.json"):
        ModelShape.of(tmp_path)


def test_a_size_of_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 0, "hidden_size": 1}))
    with pytest.raises(ModelFormatError):
        ModelShape.of(tmp_path)
