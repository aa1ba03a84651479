# SPDX-License-Identifier: Apache-2.0
"""What others published, handed on: YuRen in both layouts, LLaVA, Mistral, Qwen2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest
import torch
from gguf import GGUFReader, TokenType
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlavaForConditionalGeneration, LlavaProcessor

from tests.core.foreign import make_mistral, make_qwen2
from tests.core.llava import make_theirs, save_hf, save_original
from tests.core.pictures import quarters
from tests.core.published import CONTROLS, make_published, put_tower_on_hub
from tests.tiny import IMAGE_TOKENS
from tests.train.models.bases import sentencepiece_base
from yuren_core.errors import ModelFormatError, UsageError
from yuren_train.models.convert import convert
from yuren_train.models.export.gguf_model import MMPROJ, export_gguf
from yuren_train.models.export.hf import export_hf
from yuren_train.models.export.llava import export_llava
from yuren_train.models.prepare_base import prepare_base


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def hub(root: Path) -> Path:
    put_tower_on_hub(root / "hub")
    return root / "hub"


@pytest.fixture(scope="module", params=["published", "converted"])
def yuren(request: pytest.FixtureRequest, root: Path, hub: Path) -> Path:
    """YuRen as it is published, and as `convert` writes it."""
    source = root / "yuren"
    if not source.is_dir():
        make_published(source)
    if request.param == "published":
        return source
    with pytest.MonkeyPatch.context() as patch:
        use_hub(patch, hub)
        return convert(str(source), root / "converted").path


@pytest.fixture(autouse=True)
def offline(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_hub(monkeypatch, hub)


def use_hub(patch: pytest.MonkeyPatch, hub: Path) -> None:
    patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_yuren_becomes_a_llava_that_is_asked_as_in_its_training(
    yuren: Path, tmp_path: Path
) -> None:
    made = export_llava(str(yuren), tmp_path / "out")
    assert made.difference.largest < 1e-3
    assert made.difference.same_choice == 1
    processor: Any = LlavaProcessor.from_pretrained(made.path)
    content = [{"type": "image"}, {"type": "text", "text": "What is this?"}]
    said = [
        {"role": "user", "content": content},
        {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
    ]
    text = processor.apply_chat_template(said)
    assert text == (
        "<|im_start|>user\nWhat is this?\n<|img_start|><|img_patch|><|img_end|><|im_end|>\n"
        "<|im_start|>assistant\nA cat.<|im_end|></s>\n"
    )
    ids = processor(images=quarters(), text=text, return_tensors="pt")["input_ids"][0].tolist()
    assert ids[0] == CONTROLS["<|im_start|>"]  # no BOS, though YuRen's tokenizer puts one
    assert ids.count(CONTROLS["<|img_patch|>"]) == IMAGE_TOKENS
    generation = json.loads((made.path / "generation_config.json").read_text())
    assert generation["eos_token_id"] == [2, CONTROLS["<|im_end|>"]]


def test_yuren_becomes_gguf_with_its_own_ends_and_places_of_pictures(
    yuren: Path, tmp_path: Path
) -> None:
    made = export_gguf(str(yuren), tmp_path / "out")
    assert made.files == ("model-f16.gguf", MMPROJ)
    fields = GGUFReader(made.path / made.files[0]).fields
    found = {name: field.contents() for name, field in fields.items()}
    types = found["tokenizer.ggml.token_type"]
    assert {types[i] for i in CONTROLS.values()} == {TokenType.CONTROL}
    assert found["tokenizer.ggml.eos_token_id"] == 2
    assert found["tokenizer.ggml.eot_token_id"] == CONTROLS["<|im_end|>"]
    assert found["tokenizer.ggml.add_bos_token"] is False
    said = [
        {"role": "user", "content": "<__media__>What is this?"},
        {"role": "assistant", "content": "A cat."},
    ]
    template = jinja2.Template(found["tokenizer.chat_template"])
    assert template.render(messages=said) == (
        "<|im_start|>user\nWhat is this?\n<|img_start|><__media__><|img_end|><|im_end|>\n"
        "<|im_start|>assistant\nA cat.<|im_end|></s>\n"
    )
    modelfile = (made.path / "Modelfile").read_text()
    assert 'PARAMETER stop "</s>"\nPARAMETER stop "<|im_end|>"\n' in modelfile
    assert '<|im_end|>{{ if eq .Role "assistant" }}</s>{{ end }}\n' in modelfile


def test_yuren_sees_and_is_no_plain_llama(yuren: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no place for its tower") as caught:
        export_hf(str(yuren), tmp_path / "out")
    assert "--to llava" in caught.value.hint


def test_a_llava_becomes_one_again_in_its_own_dtype(tmp_path: Path) -> None:
    theirs = make_theirs(image_size=28).half()
    source = save_hf(theirs, tmp_path / "llava")
    made = export_llava(str(source), tmp_path / "out")
    assert made.difference.largest < 1e-3
    again = LlavaForConditionalGeneration.from_pretrained(made.path)
    assert again.dtype == torch.float16
    before = theirs.state_dict()
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    with pytest.raises(ModelFormatError, match="not ChatML") as caught:
        export_gguf(str(source), tmp_path / "gguf")
    assert "--to llava" in caught.value.hint


def test_an_adapter_on_a_llava_is_merged(tmp_path: Path) -> None:
    base = save_hf(make_theirs(image_size=28), tmp_path / "llava")
    layers = r".*language_model.*q_proj|.*projector\.linear_1"
    config = LoraConfig(r=4, target_modules=layers, init_lora_weights=False)
    wrapped = get_peft_model(LlavaForConditionalGeneration.from_pretrained(base), config)
    wrapped.save_pretrained(tmp_path / "adapter")
    made = export_llava(str(tmp_path / "adapter"), tmp_path / "out")
    again = LlavaForConditionalGeneration.from_pretrained(made.path).state_dict()
    merged = wrapped.merge_and_unload().state_dict()
    assert all(torch.allclose(again[name], merged[name], atol=1e-5) for name in again)


def test_a_llava_that_pads_with_a_colour_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save_original(make_theirs(image_size=28), tmp_path / "llava", tmp_path / "hub")
    use_hub(monkeypatch, tmp_path / "hub")
    with pytest.raises(ModelFormatError, match=r"\[122, 116, 104\]"):
        export_llava(str(source), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("make", [make_mistral, make_qwen2])
def test_an_other_architecture_stays_what_it_is(make: Any, tmp_path: Path) -> None:
    source = make(tmp_path / "source")
    made = export_hf(str(source), tmp_path / "out")
    assert made.difference.largest == 0
    ids = torch.arange(1, 60)[None]
    models = [AutoModelForCausalLM.from_pretrained(path) for path in (source, made.path)]
    before, after = (model(input_ids=ids).logits for model in models)
    assert type(models[0]) is type(models[1])
    assert torch.equal(before, after)
    with pytest.raises(ModelFormatError, match="not ChatML"):
        export_gguf(str(source), tmp_path / "gguf")


def test_a_sentencepiece_that_begins_texts_with_a_space_is_told_the_same(tmp_path: Path) -> None:
    source = sentencepiece_base(
        tmp_path / "source", {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True}
    )
    prepare_base(str(source), tmp_path / "base")
    assert export_hf(str(tmp_path / "base"), tmp_path / "out").difference.largest == 0
