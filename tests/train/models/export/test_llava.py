# SPDX-License-Identifier: Apache-2.0
"""`export --to llava`: transformers' own classes load it and compute what ours do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from tests.core.pictures import quarters
from tests.tiny import IMAGE_TOKENS, make_multimodal_model
from tests.train.models.export.towers import RESNET, VIT, make_tower
from tests.train.models.test_merge import make_adapter
from yuren_core.chatml import IM_END, IMG_PATCH, generation_prompt, render
from yuren_core.errors import ModelFormatError, StorageError, UsageError
from yuren_core.messages import ImagePart, Message, Role, TextPart
from yuren_core.model.loading import LoadedModel, load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM
from yuren_train.models.export import room
from yuren_train.models.export.llava import ExportedLlava, export_llava
from yuren_train.models.prepare_base import prepare_base


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LoRA, rows of control tokens and a projector, as stage 3 leaves them, and its base."""
    place = tmp_path_factory.mktemp("stage3")
    base = make_multimodal_model(place / "base")
    adapter = make_adapter(place / "adapter", base, precision="bf16", tied=False)
    save_file(
        {
            "model.mm_projector.weight": torch.randn(64, 32),
            "model.mm_projector.bias": torch.randn(64),
        },
        adapter / "mm_projector.safetensors",
    )
    return adapter


@pytest.fixture(scope="module")
def exported(adapter: Path) -> ExportedLlava:
    """The export of that adapter."""
    return export_llava(str(adapter), adapter.with_name("llava"))


def asked(processor: Any, picture: Image.Image) -> dict[str, Tensor]:
    """What LlavaProcessor makes of a system prompt, a picture between words, and an answer."""
    content = [
        {"type": "text", "text": "Look: "},
        {"type": "image"},
        {"type": "text", "text": " 这是什么？"},
    ]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    inputs: dict[str, Tensor] = processor(images=picture, text=text, return_tensors="pt")
    return inputs


def our_ids(loaded: LoadedModel) -> list[int]:
    parts = (TextPart("Look: "), ImagePart("", ""), TextPart(" 这是什么？"))
    messages = [Message.of(Role.SYSTEM, "Be brief."), Message(Role.USER, parts)]
    segments = [*render(messages), *generation_prompt()]
    return list(loaded.tokenizer.encode(segments).input_ids)


def our_logits(loaded: LoadedModel, ids: Tensor, picture: Image.Image) -> Tensor:
    assert isinstance(loaded.model, MultimodalLlamaForCausalLM)
    assert loaded.vision_tower is not None
    features = loaded.vision_tower(loaded.vision_tower.preprocess([picture]))
    with torch.no_grad():
        logits: Tensor = loaded.model(ids, image_features=features).logits
    return logits


def test_transformers_gives_our_ids_pixels_and_logits(
    adapter: Path, exported: ExportedLlava
) -> None:
    picture = quarters(64, 48)
    loaded = load_model(str(adapter), load="fp32", device="cpu")
    processor = LlavaProcessor.from_pretrained(exported.path, backend="pil")
    inputs = asked(processor, picture)
    assert inputs["input_ids"][0].tolist() == our_ids(loaded)
    assert int((inputs["input_ids"] == processor.image_token_id).sum()) == IMAGE_TOKENS
    model = LlavaForConditionalGeneration.from_pretrained(exported.path, dtype=torch.float32)
    with torch.no_grad():
        theirs = model(**inputs).logits
    ours = our_logits(loaded, inputs["input_ids"], picture)
    # The adapter was merged into 16 bits; a wrong layer, norm or sign is far beyond this.
    assert float((theirs - ours).abs().max()) < 0.05 * float(ours.abs().max())
    blank = our_logits(loaded, inputs["input_ids"], Image.new("RGB", (64, 48)))
    assert float((blank - ours).abs().max()) > 0.2 * float(ours.abs().max())  # it does look


def test_what_is_told_is_the_difference_but_for_rounding(exported: ExportedLlava) -> None:
    assert exported.activation == "gelu"
    assert exported.difference.dtype == "float32"
    assert exported.difference.largest < 1e-3
    assert exported.difference.same_choice == 1
    assert exported.difference.tokens > 100 + IMAGE_TOKENS
    as_it_comes, pil = exported.pixels
    assert pil < 0.01
    assert as_it_comes < 1.5
    provenance = json.loads((exported.path / "provenance.json").read_text())
    assert provenance["difference"]["largest"] == exported.difference.largest
    assert "mm_projector.safetensors" in provenance["source"]["sha256"]


def test_config_and_files_are_llavas(exported: ExportedLlava) -> None:
    config = json.loads((exported.path / "config.json").read_text())
    assert config["model_type"] == "llava"
    assert config["vision_feature_layer"] == -2
    assert config["vision_feature_select_strategy"] == "default"
    assert config["projector_hidden_act"] == "gelu"
    assert config["image_seq_length"] == IMAGE_TOKENS
    assert config["vision_config"]["model_type"] == "clip_vision_model"
    assert config["text_config"]["model_type"] == "llama"
    assert not [key for key in config["text_config"] if key.startswith(("mm_", "use_mm"))]
    names = {file.name for file in exported.path.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    assert {"processor_config.json", "preprocessor_config.json"} <= names
    weights = load_file(exported.path / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    tokenizer = LlavaProcessor.from_pretrained(exported.path).tokenizer
    assert config["image_token_index"] == tokenizer.convert_tokens_to_ids(IMG_PATCH)
    generation = json.loads((exported.path / "generation_config.json").read_text())
    assert generation["eos_token_id"] == tokenizer.convert_tokens_to_ids(IM_END)


def test_it_answers_through_generate(exported: ExportedLlava) -> None:
    processor = LlavaProcessor.from_pretrained(exported.path)
    model: Any = LlavaForConditionalGeneration.from_pretrained(exported.path)
    inputs = asked(processor, quarters(64, 48))
    with torch.no_grad():
        ids = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    assert ids.shape[1] > inputs["input_ids"].shape[1]


def test_a_narrow_language_model_gets_a_linear_activation(text_model: Path, tmp_path: Path) -> None:
    make_tower(VIT | {"width": 48}, layer=-1).save(tmp_path / "tower")
    base = tmp_path / "base"
    prepare_base(str(text_model), base, vision_tower=str(tmp_path / "tower"), vision_layer=-1)
    made = export_llava(str(base), tmp_path / "out")
    assert made.activation == "linear"
    assert made.difference.largest < 1e-3
    config = json.loads((made.path / "config.json").read_text())
    assert config["projector_hidden_act"] == "linear"
    assert config["vision_feature_layer"] == -1
    assert config["tie_word_embeddings"]


def test_a_resnet_as_the_starters_is_refused(text_model: Path, tmp_path: Path) -> None:
    make_tower(RESNET, layer=-1).save(tmp_path / "tower")
    base = tmp_path / "base"
    prepare_base(str(text_model), base, vision_tower=str(tmp_path / "tower"), vision_layer=-1)
    with pytest.raises(ModelFormatError, match="it is a ResNet"):
        export_llava(str(base), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_refusals(
    adapter: Path, text_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="cannot see") as caught:
        export_llava(str(text_model), tmp_path / "out")
    assert "--to hf" in caught.value.hint
    with pytest.raises(UsageError, match="is there already"):
        export_llava(str(adapter), text_model)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: type("", (), {"free": 1 << 20})())
    with pytest.raises(StorageError, match=r"0\.0 GiB are free"):
        export_llava(str(adapter), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
