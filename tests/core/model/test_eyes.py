# SPDX-License-Identifier: Apache-2.0
"""Eyes out of files: the trainer's own adapter put on a language model, or refused whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from tests.tiny import make_text_model
from tests.train.tiny_run import recipe_of, tiny_config, write_picture_rows
from yuren_core.chatml import IMG_PATCH
from yuren_core.errors import DamagedCheckpointError, ModelFormatError, YurenError
from yuren_core.model.checkpoint import VISION_TOWER_DIR, write_model_directory
from yuren_core.model.eyes import ADAPTER_DIR, give_eyes, with_eyes
from yuren_core.model.loading import load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM
from yuren_core.model.open_clip_files import WEIGHTS_NAME
from yuren_core.model.vision_tower import VisionTower

IDS = torch.tensor([[1, 45, 300, 2, 77, 1, 9]])


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The language model."""
    return make_text_model(tmp_path_factory.mktemp("eyes") / "text")


@pytest.fixture(scope="module")
def trained(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter directory that stage 3 itself writes, beside its base and tower."""
    import open_clip

    from tests.core.model.test_visual_encoders import CONFIG
    from yuren_train.models.prepare_base import prepare_base

    root = tmp_path_factory.mktemp("trained")
    torch.manual_seed(1)
    VisionTower(open_clip.CLIP(**CONFIG["model_cfg"]).eval().visual, CONFIG, -1).save(
        root / "tower"
    )
    prepare_base(str(text), root / "base", vision_tower=str(root / "tower"), vision_layer=-1)
    rows = write_picture_rows(root / "rows.jsonl", rows=8)
    values = {"method": "lora", "lora_rank": 4, "lr": 1e-2, "order": "grouped", "max_steps": 2}
    config = tiny_config(root / "base", rows, root / "adapter", stage="stage3", **values)
    recipe_of("stage3")(config, on_event=lambda _: None)
    return root


@pytest.fixture
def eyes(trained: Path, tmp_path: Path) -> Path:
    """What `assets/starter` is for the starter, to be broken or changed."""
    directory = tmp_path / "eyes"
    shutil.copytree(trained / "adapter", directory / ADAPTER_DIR)
    shutil.copytree(trained / "tower", directory / VISION_TOWER_DIR)
    return directory


def language_model(text: Path) -> LlamaForCausalLM:
    return LlamaForCausalLM.from_pretrained(text, dtype=torch.float32)


def patch_id(text: Path) -> int:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(text)
    found = tokenizer.convert_tokens_to_ids(IMG_PATCH)
    assert isinstance(found, int)
    return found


def logits_of(model: LlamaForCausalLM) -> Tensor:
    with torch.inference_mode():
        logits: Tensor = model(input_ids=IDS).logits
    return logits.float()


def test_logits_are_those_of_the_adapter_beside_its_base(
    text: Path, trained: Path, eyes: Path
) -> None:
    expected = load_model(str(trained / "adapter"), load="fp32", device="cpu").model
    seeing, tower = give_eyes(language_model(text), eyes, image_token_id=patch_id(text))
    assert isinstance(seeing, MultimodalLlamaForCausalLM)
    torch.testing.assert_close(logits_of(seeing), logits_of(expected), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(logits_of(seeing), logits_of(language_model(text)), atol=1e-2)
    projector, theirs = seeing.model.mm_projector, expected.model.mm_projector
    assert torch.equal(projector.weight, theirs.weight)
    assert torch.equal(projector.bias, theirs.bias)
    assert (tower.num_patches, tower.hidden_size) == (4, 256)
    assert seeing.config.mm_vision_select_layer == -1
    assert not any(parameter.requires_grad for parameter in seeing.parameters())


def test_written_and_loaded_it_is_one_model_without_adapter(
    text: Path, trained: Path, eyes: Path, tmp_path: Path
) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(text)
    seeing, tower = give_eyes(language_model(text), eyes, image_token_id=patch_id(text))
    write_model_directory(
        tmp_path / "model",
        model=seeing,
        tokenizer=tokenizer,
        image_tokens=tower.num_patches,
        vision_tower=tower,
    )
    loaded = load_model(str(tmp_path / "model"), load="fp32", device="cpu")
    expected = load_model(str(trained / "adapter"), load="fp32", device="cpu")
    torch.testing.assert_close(
        logits_of(loaded.model), logits_of(expected.model), rtol=1e-4, atol=1e-4
    )
    assert loaded.vision_tower is not None
    picture = torch.randn(1, 3, 64, 64)
    assert torch.equal(loaded.vision_tower(picture), tower(picture))


def test_a_fresh_projector_is_by_seed_and_the_words_stay(text: Path, trained: Path) -> None:
    tower = VisionTower.from_directory(trained / "tower", -1)
    before = logits_of(language_model(text))

    def made(seed: int) -> MultimodalLlamaForCausalLM:
        return with_eyes(language_model(text), tower, image_token_id=patch_id(text), seed=seed)

    state = torch.get_rng_state()
    one, same, other = made(1), made(1), made(2)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(logits_of(one), before)
    assert torch.equal(one.model.mm_projector.weight, same.model.mm_projector.weight)
    assert not torch.equal(one.model.mm_projector.weight, other.model.mm_projector.weight)


def test_a_model_that_saw_before_gets_other_eyes(multimodal_model: Path, trained: Path) -> None:
    old = load_model(str(multimodal_model), load="fp32", device="cpu").model
    tower = VisionTower.from_directory(trained / "tower", -1)
    assert old.config.mm_hidden_size != tower.hidden_size
    before = logits_of(old)
    seeing = with_eyes(old, tower, image_token_id=patch_id(multimodal_model))
    assert seeing.model.mm_projector.weight.shape == (64, tower.hidden_size)
    assert torch.equal(logits_of(seeing), before)


def edit(name: str, change: Callable[[dict[str, Tensor]], None]) -> Callable[[Path], None]:
    def do(directory: Path) -> None:
        tensors = load_file(directory / name)
        change(tensors)
        save_file({key: value.contiguous() for key, value in tensors.items()}, directory / name)

    return do


def narrower(tensors: dict[str, Tensor]) -> None:
    name = next(key for key in tensors if "q_proj.lora_A" in key)
    tensors[name] = tensors[name][:, :40]


def of_layer_nine(tensors: dict[str, Tensor]) -> None:
    for name in [key for key in tensors if "layers.0.self_attn.q_proj" in key]:
        tensors[name.replace("layers.0.", "layers.9.")] = tensors.pop(name)


def of_another_tower(tensors: dict[str, Tensor]) -> None:
    tensors["model.mm_projector.weight"] = tensors["model.mm_projector.weight"][:, :128]


def cut_off(directory: Path) -> None:
    file = directory / ADAPTER_DIR / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:2000])


LORA, PROJECTOR = "adapter/adapter_model.safetensors", "adapter/mm_projector.safetensors"


@pytest.mark.parametrize(
    ("breaking", "error", "words"),
    [
        (edit(LORA, narrower), ModelFormatError, r"q_proj is for \(64, 40\)"),
        (edit(LORA, of_layer_nine), ModelFormatError, r"no model\.layers\.9"),
        (edit(PROJECTOR, of_another_tower), ModelFormatError, r"\(64, 128\)"),
        (cut_off, DamagedCheckpointError, "no whole safetensors"),
        (lambda d: (d / LORA).unlink(), DamagedCheckpointError, "missing"),
        (lambda d: (d / VISION_TOWER_DIR / WEIGHTS_NAME).unlink(), ModelFormatError, WEIGHTS_NAME),
    ],
)
def test_what_does_not_fit_is_named(
    text: Path, eyes: Path, breaking: Callable[[Path], None], error: type[YurenError], words: str
) -> None:
    breaking(eyes)
    with pytest.raises(error, match=words) as caught:
        give_eyes(language_model(text), eyes, image_token_id=patch_id(text))
    assert str(eyes) in caught.value.message
    assert caught.value.hint


def test_the_base_that_an_adapter_names_need_not_be_there(text: Path, eyes: Path) -> None:
    file = eyes / ADAPTER_DIR / "adapter_config.json"
    values = json.loads(file.read_text())
    values["base_model_name_or_path"] = "SmolLM2-135M-Instruct"
    file.write_text(json.dumps(values))
    seeing, _ = give_eyes(language_model(text), eyes, image_token_id=patch_id(text))
    assert logits_of(seeing).shape[:2] == IDS.shape
