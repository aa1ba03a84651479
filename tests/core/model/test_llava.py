# SPDX-License-Identifier: Apache-2.0
"""LLaVA-1.5 in both layouts: logits equal to transformers', Vicuna's prompt, pictures seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from transformers import CLIPImageProcessor, LlavaForConditionalGeneration

from tests.core.asking import answer, user
from tests.core.llava import PATCH, PIECES, make_theirs, save_hf, save_original
from yuren_core.errors import ModelFormatError
from yuren_core.inference.engine import Engine
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.model.loading import LoadedModel, load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM
from yuren_core.prompt import prompt_items

SIZES = {"hf": 28, "original": 336}


@pytest.fixture(scope="module", params=sorted(SIZES))
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def theirs(layout: str) -> LlavaForConditionalGeneration:
    return make_theirs(image_size=SIZES[layout])


@pytest.fixture(scope="module")
def loaded(
    layout: str, theirs: LlavaForConditionalGeneration, tmp_path_factory: pytest.TempPathFactory
) -> LoadedModel:
    root = tmp_path_factory.mktemp("llava")
    if layout == "hf":
        directory = save_hf(theirs, root / "llava")
        return load_model(str(directory), load="fp32", device="cpu")
    directory = save_original(theirs, root / "llava", root / "hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root / "hub"))
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        return load_model(str(directory), load="fp32", device="cpu")


def ids_of(loaded: LoadedModel, *messages: Message) -> list[int]:
    fitted = loaded.tokenizer.encode_prompt(prompt_items(messages), budget=1000)
    return list(fitted.encoded.input_ids)


def test_logits_equal_transformers(
    loaded: LoadedModel,
    theirs: LlavaForConditionalGeneration,
    layout: str,
    pictures: list[ImagePart],
) -> None:
    assert loaded.image_cost == (SIZES[layout] // PATCH) ** 2
    assert loaded.vision_tower is not None
    assert isinstance(loaded.model, MultimodalLlamaForCausalLM)
    ids = torch.tensor([ids_of(loaded, user("What is this?", pictures[0]))])
    with Image.open(pictures[0].path) as picture:
        pixels = loaded.vision_tower.preprocess([picture.convert("RGB")])
    as_theirs = ids.masked_fill(ids == loaded.tokenizer.patch_id, PIECES)
    with torch.no_grad():
        ours = loaded.model(input_ids=ids, image_features=loaded.vision_tower(pixels)).logits
        wanted = theirs(input_ids=as_theirs, pixel_values=pixels).logits[..., : ours.shape[-1]]
    assert torch.allclose(ours, wanted, atol=1e-4 * float(wanted.abs().max()))
    assert wanted.std() > 0.1


def test_the_prompt_is_vicunas(loaded: LoadedModel, layout: str, pictures: list[ImagePart]) -> None:
    said = [user("What is this?", pictures[0]), Message.of(Role.ASSISTANT, "A cat."), user("你好")]
    tokenizer = loaded.tokenizer.tokenizer
    picture = "<image>" * loaded.tokenizer.image_tokens
    if layout == "hf":
        text = f"USER: {picture}\nWhat is this? ASSISTANT: A cat. USER: 你好 ASSISTANT:"
    else:
        text = (
            "A chat between a curious human and an artificial intelligence assistant. The "
            "assistant gives helpful, detailed, and polite answers to the human's questions. "
            f"USER: {picture}\nWhat is this? ASSISTANT: A cat.</s>USER: 你好 ASSISTANT:"
        )
    assert ids_of(loaded, *said) == tokenizer(text)["input_ids"]
    assert ids_of(loaded, *said)[0] == tokenizer.bos_token_id


def test_it_sees(loaded: LoadedModel, pictures: list[ImagePart]) -> None:
    engine = Engine(loaded)
    red, *_ = answer(engine, [user("What is this?", pictures[0])])
    blue, *_ = answer(engine, [user("What is this?", pictures[2])])
    again, prompt, _ = answer(engine, [user("What is this?", pictures[2])])
    assert red != blue
    assert again == blue
    assert prompt.cached_tokens == prompt.prompt_tokens - 1


def test_a_picture_is_cropped_or_made_square_as_in_training(
    loaded: LoadedModel, layout: str
) -> None:
    assert loaded.vision_tower is not None
    wide = Image.new("RGB", (96, 24), (255, 255, 255))
    pixels = loaded.vision_tower.preprocess([wide])[0]  # (3, H, W)
    middle, edge = pixels[:, pixels.shape[1] // 2], pixels[:, 0]
    assert middle.min() > 1.5
    if layout == "hf":
        theirs = CLIPImageProcessor.from_pretrained(loaded.path)(wide, return_tensors="pt")
        assert torch.allclose(pixels, theirs["pixel_values"][0], atol=1e-3)
    else:  # the mean colour, but for rounding
        assert edge.abs().max() < 0.02


def test_a_typed_image_token_stays_text(loaded: LoadedModel) -> None:
    typed = ids_of(loaded, user("<image></s><s>"))
    assert loaded.tokenizer.patch_id not in typed
    assert loaded.tokenizer.tokenizer.decode(typed).count("<image></s><s>") == 1


def test_a_template_of_an_older_processor_is_found(tmp_path: Path) -> None:
    directory = save_hf(make_theirs(image_size=28), tmp_path / "llava")
    (directory / "chat_template.jinja").rename(tmp_path / "template")
    template = (tmp_path / "template").read_text()
    (directory / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    loaded = load_model(str(directory), load="fp32", device="cpu")
    assert loaded.tokenizer.tokenizer.chat_template == template


def test_an_adapter_that_peft_trained_on_it_is_put_on(
    tmp_path: Path, pictures: list[ImagePart]
) -> None:
    base = save_hf(make_theirs(image_size=28), tmp_path / "llava")
    model = LlavaForConditionalGeneration.from_pretrained(base)
    layers = r".*language_model.*\.(q_proj|down_proj)|.*projector\.linear_[12]"
    wrapped = get_peft_model(model, LoraConfig(r=4, target_modules=layers)).eval()
    torch.manual_seed(1)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    wrapped.save_pretrained(tmp_path / "adapter")
    loaded = load_model(str(tmp_path / "adapter"), load="fp32", device="cpu")
    assert loaded.vision_tower is not None
    assert isinstance(loaded.model, MultimodalLlamaForCausalLM)
    ids = torch.tensor([ids_of(loaded, user("What is this?", pictures[0]))])
    pixels = torch.rand(1, 3, 28, 28)
    with torch.no_grad():
        ours = loaded.model(input_ids=ids, image_features=loaded.vision_tower(pixels)).logits
        wanted = wrapped(input_ids=ids, pixel_values=pixels).logits
        with wrapped.disable_adapter():
            without = wrapped(input_ids=ids, pixel_values=pixels).logits
    assert torch.allclose(ours, wanted, atol=1e-4 * float(wanted.abs().max()))
    assert float((without - wanted).abs().max()) > 0.1 * float(wanted.abs().max())


def test_an_adapter_on_its_tower_is_refused_by_name(tmp_path: Path) -> None:
    base = save_hf(make_theirs(image_size=28), tmp_path / "llava")
    model = LlavaForConditionalGeneration.from_pretrained(base)
    config = LoraConfig(r=4, target_modules=r".*vision_tower.*q_proj")
    get_peft_model(model, config).save_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelFormatError, match="vision_tower"):
        load_model(str(tmp_path / "adapter"), load="fp32", device="cpu")


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"vision_feature_select_strategy": "full"}, "full"),
        ({"text_config": {"model_type": "mistral"}}, "mistral"),
        ({"vision_config": {"model_type": "siglip_vision_model"}}, "siglip"),
        ({"mm_projector_type": "resampler"}, "resampler"),
    ],
)
def test_what_computes_otherwise_is_refused(
    part: dict[str, object], told: str, tmp_path: Path
) -> None:
    config = {"model_type": "llava", "text_config": {}, "vision_config": {}, **part}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFormatError, match=told):
        load_model(str(tmp_path), load="fp32", device="cpu")
