# SPDX-License-Identifier: Apache-2.0
"""What a model's `generation_config.json` recommends, read and written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer, GenerationConfig, LlamaForCausalLM

from tests.tiny import make_text_model
from yuren_core.model.checkpoint import write_model_directory
from yuren_core.model.recommended_sampling import generation_fields, recommended_sampling
from yuren_core.sampling_params import GREEDY, NO_ADVICE, SamplingAdvice

WARM = SamplingAdvice(temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.05)


def write(directory: Path, text: str) -> Path:
    (directory / "generation_config.json").write_text(text, encoding="utf-8")
    return directory


@pytest.mark.parametrize("advice", [GREEDY, WARM, NO_ADVICE])
def test_what_transformers_writes_is_read_again(tmp_path: Path, advice: SamplingAdvice) -> None:
    GenerationConfig(eos_token_id=2, **generation_fields(advice)).save_pretrained(tmp_path)
    assert recommended_sampling(tmp_path) == advice


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"eos_token_id": 2}'])
def test_a_file_that_says_nothing_recommends_nothing(tmp_path: Path, text: str) -> None:
    assert recommended_sampling(write(tmp_path, text)) == NO_ADVICE


def test_without_a_file_nothing_is_recommended(tmp_path: Path) -> None:
    assert recommended_sampling(tmp_path) == NO_ADVICE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 9.0),
        ("temperature", float("nan")),
        ("temperature", "hot"),
        ("top_p", 0),
        ("top_k", 1.5),
        ("min_p", True),
    ],
)
def test_a_value_that_cannot_be_is_left_out_and_the_rest_stands(
    tmp_path: Path, name: str, value: object
) -> None:
    write(tmp_path, json.dumps({"repetition_penalty": 1.1, name: value}))
    assert recommended_sampling(tmp_path) == SamplingAdvice(repetition_penalty=1.1)


def test_a_model_directory_carries_the_advice(tmp_path: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(make_text_model(tmp_path / "base"))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "base")
    write_model_directory(tmp_path / "m", model=model, tokenizer=tokenizer, sampling=WARM)
    assert recommended_sampling(tmp_path / "m") == WARM
