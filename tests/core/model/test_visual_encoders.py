# SPDX-License-Identifier: Apache-2.0
"""A ResNet as a tower: each layer is open_clip's own, and a model sees with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from tests.tiny import make_text_model
from yuren_core.chatml import IMG_PATCH
from yuren_core.errors import ModelFormatError
from yuren_core.inference.engine import Engine
from yuren_core.messages import ImagePart, Message, Role, TextPart
from yuren_core.model.checkpoint import write_model_directory
from yuren_core.model.eyes import with_eyes
from yuren_core.model.loading import load_model
from yuren_core.model.open_clip_files import CONFIG_NAME, WEIGHTS_NAME
from yuren_core.model.vision_tower import VisionTower
from yuren_core.prompt import prompt_items
from yuren_core.protocol import Completed, Delta
from yuren_core.sampling_params import SamplingParams

SIZE, WIDTH = 64, 8
CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": SIZE, "layers": [1, 1, 1, 1], "width": WIDTH},
        "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 1, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
}
LAYERS = [(-1, 32, 256), (-2, 16, 128), (-3, 8, 64), (-4, 4, 32)]
"""A layer, the pixels of one of its cells on a side, and the width of its features."""


@pytest.fixture(scope="module")
def clip() -> Any:
    """A whole CLIP of open_clip's own making with a ResNet whose statistics are not fresh."""
    import open_clip

    torch.manual_seed(0)
    made = open_clip.CLIP(**CONFIG["model_cfg"])
    for module in made.visual.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)  # its own start is 0 for the last
    return made.eval()


@pytest.fixture
def directory(tmp_path: Path, clip: Any) -> Path:
    """Its visual half, as a tower saves it."""
    VisionTower(clip.visual, CONFIG, -1).save(tmp_path / "resnet")
    return tmp_path / "resnet"


def pixels(count: int = 2) -> Tensor:
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("layer", "stride", "width"), LAYERS)
def test_features_are_the_cells_of_open_clips_own_stages(
    directory: Path, clip: Any, layer: int, stride: int, width: int
) -> None:
    stages: list[Tensor] = []
    hooks = [
        getattr(clip.visual, f"layer{number}").register_forward_hook(
            lambda _module, _args, output: stages.append(output)
        )
        for number in (1, 2, 3, 4)
    ]
    with torch.no_grad():
        clip.visual(pixels())
    for hook in hooks:
        hook.remove()
    tower = VisionTower.from_directory(directory, layer)
    features = tower(pixels())
    side = SIZE // stride
    assert (tower.image_size, tower.num_patches) == ((SIZE, SIZE), side * side)
    assert tower.hidden_size == width
    assert features.shape == (2, side * side, width)
    expected = stages[layer]
    assert expected.shape == (2, width, side, side)
    for row in range(side):
        for column in range(side):
            torch.testing.assert_close(
                features[:, row * side + column], expected[:, :, row, column], rtol=1e-5, atol=1e-5
            )


def test_layers_behind_the_one_that_is_read_are_not_run(directory: Path) -> None:
    tower = VisionTower.from_directory(directory, -3)
    ran: list[int] = []
    for number in (1, 2, 3, 4):
        getattr(tower.visual, f"layer{number}").register_forward_hook(
            lambda *_, number=number: ran.append(number)
        )
    tower(pixels())
    assert ran == [1, 2]


def test_statistics_of_batches_stay_whatever_is_asked(directory: Path) -> None:
    tower = VisionTower.from_directory(directory, -1)
    before = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    alone = tower(pixels(3)[:1])
    torch.nn.Sequential(tower).train()
    torch.testing.assert_close(tower(pixels(3))[:1], alone)
    assert all(torch.equal(before[name], tensor) for name, tensor in tower.state_dict().items())


def test_in_bf16_it_comes_back_from_its_files_as_it_was(directory: Path, tmp_path: Path) -> None:
    half = VisionTower.from_directory(directory, -1, dtype=torch.bfloat16)
    half.save(tmp_path / "half")
    tensors = load_file(tmp_path / "half" / WEIGHTS_NAME)
    assert {t.dtype for t in tensors.values() if t.is_floating_point()} == {torch.bfloat16}
    again = VisionTower.from_directory(tmp_path / "half", -1, dtype=torch.bfloat16)
    assert again(pixels()).dtype == torch.bfloat16
    assert torch.equal(again(pixels()), half(pixels()))
    assert again.config == half.config == CONFIG
    full = VisionTower.from_directory(directory, -1)(pixels())
    assert torch.cosine_similarity(half(pixels()).float(), full, dim=-1).min() > 0.99


@pytest.mark.parametrize("layer", [0, 1, -5])
def test_a_layer_that_is_not_there(directory: Path, layer: int) -> None:
    with pytest.raises(ModelFormatError, match="4 layers") as caught:
        VisionTower.from_directory(directory, layer)
    assert "-4 to -1" in caught.value.hint


def test_weights_of_other_layers_are_refused(directory: Path) -> None:
    config = json.loads((directory / CONFIG_NAME).read_text())
    config["model_cfg"]["vision_cfg"]["layers"] = [1, 2, 1, 1]
    (directory / CONFIG_NAME).write_text(json.dumps(config))
    with pytest.raises(ModelFormatError, match="do not fit") as caught:
        VisionTower.from_directory(directory, -1)
    assert str(directory) in caught.value.message


def test_a_model_directory_with_one_answers_about_a_picture(
    directory: Path, tmp_path: Path, pictures: list[ImagePart]
) -> None:
    text = make_text_model(tmp_path / "text")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(text)
    tower = VisionTower.from_directory(directory, -2, dtype=torch.bfloat16)
    model = with_eyes(
        LlamaForCausalLM.from_pretrained(text, dtype=torch.bfloat16),
        tower,
        image_token_id=tokenizer.convert_tokens_to_ids(IMG_PATCH),
    )
    torch.nn.init.normal_(model.model.mm_projector.weight, std=0.5)
    write_model_directory(
        tmp_path / "seeing",
        model=model,
        tokenizer=tokenizer,
        image_tokens=tower.num_patches,
        vision_tower=tower,
    )
    loaded = load_model(str(tmp_path / "seeing"), load="fp32", device="cpu")
    engine = Engine(loaded)

    def answer(picture: ImagePart) -> str:
        prompt = prompt_items([Message(Role.USER, (picture, TextPart("What is this?")))])
        sampling = SamplingParams(temperature=0, max_new_tokens=12)
        events = list(engine.generate(prompt, sampling))
        assert isinstance(events[-1], Completed)
        return "".join(event.text for event in events if isinstance(event, Delta))

    answers = [answer(picture) for picture in pictures]
    assert all(answers)
    assert len(set(answers)) > 1
    assert [answer(picture) for picture in pictures] == answers
