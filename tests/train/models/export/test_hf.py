# SPDX-License-Identifier: Apache-2.0
"""`export --to hf`: a plain LLaMA that transformers loads by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from tests.tiny import advise_greedy, make_text_model
from tests.train.models.test_merge import IDS, logits_of, make_adapter
from yuren_core.errors import UsageError
from yuren_core.protocol import LoadMode
from yuren_train.models.export.hf import export_hf


@pytest.mark.parametrize(("tied", "precision"), [(True, "bf16"), (False, "4bit")])
def test_transformers_computes_what_the_chat_does(
    tmp_path: Path, tied: bool, precision: LoadMode
) -> None:
    base = make_text_model(tmp_path / "base", tied=tied)
    advise_greedy(base)
    adapter = make_adapter(tmp_path / "adapter", base, precision=precision, tied=tied)
    made = export_hf(str(adapter), tmp_path / "out")
    assert made.difference.largest == 0
    theirs: Any = AutoModelForCausalLM.from_pretrained(made.path)
    assert type(theirs) is LlamaForCausalLM
    assert theirs.dtype == torch.bfloat16
    with torch.no_grad():
        logits = theirs(input_ids=IDS).logits.float()
    assert torch.equal(logits, logits_of(adapter, "bf16"))
    config = json.loads((made.path / "config.json").read_text())
    assert config["model_type"] == "llama"
    assert config["tie_word_embeddings"] is tied
    generation = json.loads((made.path / "generation_config.json").read_text())
    assert generation["do_sample"] is False


def test_the_chat_template_goes_along(text_model: Path, tmp_path: Path) -> None:
    made = export_hf(str(text_model), tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(made.path)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_a_model_that_sees_is_refused_with_the_way_out(
    multimodal_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no place for its tower") as caught:
        export_hf(str(multimodal_model), tmp_path / "out")
    assert "--to llava" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
