# SPDX-License-Identifier: Apache-2.0
"""The tower gives what open_clip's blocks give, reads only what is whole, and stays frozen."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.core.pictures import quarters
from yuren_core.errors import (
    DamagedCheckpointError,
    DownloadError,
    ModelFormatError,
    ModelNotFoundError,
    UnsafeCheckpointError,
    YurenError,
)
from yuren_core.model.open_clip_files import CONFIG_NAME, WEIGHTS_NAME
from yuren_core.model.vision_tower import VisionTower

LAYERS, WIDTH, HEIGHT_PX, WIDTH_PX, PATCH = 3, 32, 32, 48, 8
PATCHES = (HEIGHT_PX // PATCH) * (WIDTH_PX // PATCH)

CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 16,
        "quick_gelu": True,
        "vision_cfg": {
            "image_size": [HEIGHT_PX, WIDTH_PX],
            "layers": LAYERS,
            "width": WIDTH,
            "head_width": 16,
            "patch_size": PATCH,
            "patch_dropout": 0.5,
        },
        "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 1, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]},
}


@pytest.fixture(scope="module")
def clip() -> Any:
    """A whole CLIP of open_clip's own making, not square, with random weights."""
    import open_clip

    torch.manual_seed(0)
    return open_clip.CLIP(**CONFIG["model_cfg"]).eval()


@pytest.fixture
def directory(tmp_path: Path, clip: Any) -> Path:
    """The whole CLIP in open_clip's local-dir layout."""
    path = tmp_path / "clip"
    path.mkdir()
    (path / CONFIG_NAME).write_text(json.dumps(CONFIG))
    save_file(clip.state_dict(), path / WEIGHTS_NAME)
    return path


def edit_config(directory: Path, section: str, **changes: Any) -> None:
    config = json.loads((directory / CONFIG_NAME).read_text())
    part = config["model_cfg"]["vision_cfg"] if section == "vision_cfg" else config[section]
    part.update(changes)
    (directory / CONFIG_NAME).write_text(json.dumps(config))


def pixels(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, HEIGHT_PX, WIDTH_PX, generator=torch.Generator().manual_seed(1))


def block_outputs(clip: Any, pixel_values: torch.Tensor) -> list[torch.Tensor]:
    """What every block hands on, class token included, seen by hooks in a full forward."""
    outputs: list[torch.Tensor] = []
    handles = [
        block.register_forward_hook(lambda _module, _args, output: outputs.append(output))
        for block in clip.visual.transformer.resblocks
    ]
    with torch.no_grad():
        clip.visual(pixel_values)
    for handle in handles:
        handle.remove()
    return outputs


# ---------------------------------------------------------------- features


@pytest.mark.parametrize("select_layer", [-1, -2, -3])
def test_features_are_the_blocks_own_without_the_class_token(
    directory: Path, clip: Any, select_layer: int
) -> None:
    tower = VisionTower.from_directory(directory, select_layer)
    features = tower(pixels())
    expected = block_outputs(clip, pixels())[select_layer][:, 1:]
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-6)
    assert features.shape == (2, tower.num_patches, tower.hidden_size)


def test_default_layer_is_llavas_last_but_one(directory: Path, clip: Any) -> None:
    with torch.no_grad():
        embeddings = clip.visual._embeds(pixels())
    hidden_states = [embeddings, *block_outputs(clip, pixels())]  # as transformers counts them
    features = VisionTower.from_directory(directory)(pixels())
    torch.testing.assert_close(features, hidden_states[-2][:, 1:], rtol=0, atol=1e-6)


def test_blocks_behind_the_layer_are_not_run(directory: Path) -> None:
    tower = VisionTower.from_directory(directory)
    ran: list[int] = []
    for index, block in enumerate(tower.visual.transformer.resblocks):
        block.register_forward_hook(lambda *_, index=index: ran.append(index))
    tower(pixels())
    assert ran == [0, 1]


def test_shape_is_read_from_the_tower(directory: Path) -> None:
    tower = VisionTower.from_directory(directory, -1)
    assert (tower.image_size, tower.num_patches) == ((HEIGHT_PX, WIDTH_PX), PATCHES)
    assert (tower.hidden_size, tower.select_layer, tower.config) == (WIDTH, -1, CONFIG)


def test_bf16_follows_fp32(directory: Path) -> None:
    full = VisionTower.from_directory(directory)(pixels())
    tower = VisionTower.from_directory(directory, dtype=torch.bfloat16)
    half = tower(pixels())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), full, rtol=0.05, atol=0.05)
    assert torch.equal(half, VisionTower.from_directory(directory).to(torch.bfloat16)(pixels()))


def test_each_picture_alone_gives_the_same(directory: Path) -> None:
    tower = VisionTower.from_directory(directory)
    together = tower(pixels(3))
    for index in range(3):
        torch.testing.assert_close(tower(pixels(3)[index : index + 1])[0], together[index])
    assert tower(pixels(0)).shape == (0, PATCHES, WIDTH)


def test_frozen_and_in_eval_mode_whatever_is_asked(directory: Path) -> None:
    tower = VisionTower.from_directory(directory)
    before = tower(pixels())
    torch.nn.Sequential(tower).train()
    assert not tower.training
    assert not tower.visual.training
    assert not any(parameter.requires_grad for parameter in tower.parameters())
    assert torch.equal(tower(pixels()), before)  # patch dropout would show here
    assert not tower(pixels().requires_grad_()).requires_grad


@pytest.mark.parametrize("select_layer", [0, 1, -4])
def test_a_layer_that_is_not_there(directory: Path, select_layer: int) -> None:
    with pytest.raises(ModelFormatError, match="3 layers") as caught:
        VisionTower.from_directory(directory, select_layer)
    assert "-3 to -1" in caught.value.hint


# ---------------------------------------------------------------- preprocessing


@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(48, 32), (301, 77), (20, 90), (1, 1), (1200, 40)])
def test_preprocess_is_open_clips(
    directory: Path, resize_mode: str, interpolation: str, size: tuple[int, int]
) -> None:
    import open_clip

    settings = {"resize_mode": resize_mode, "interpolation": interpolation, "fill_color": 9}
    edit_config(directory, "preprocess_cfg", **settings)
    _, _, theirs = open_clip.create_model_and_transforms(f"local-dir:{directory}")
    image = quarters(*size)
    pixel_values = VisionTower.from_directory(directory).preprocess([image, quarters()])
    assert (pixel_values.shape, pixel_values.dtype) == ((2, 3, HEIGHT_PX, WIDTH_PX), torch.float32)
    assert torch.equal(pixel_values[0], theirs(image))
    assert torch.equal(pixel_values[1], theirs(quarters()))


def test_preprocess_of_nothing(directory: Path) -> None:
    tower = VisionTower.from_directory(directory)
    assert tower(tower.preprocess([])).shape == (0, PATCHES, WIDTH)


@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(1, 3_000_000), (3_000_000, 1)])
def test_a_hairline_picture_costs_no_gigabytes(
    directory: Path, resize_mode: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    resize = Image.Image.resize

    def watched(image: Image.Image, to: tuple[int, int], *args: Any, **options: Any) -> Any:
        assert to[0] * to[1] < 1_000_000
        return resize(image, to, *args, **options)

    monkeypatch.setattr(Image.Image, "resize", watched)
    edit_config(directory, "preprocess_cfg", resize_mode=resize_mode)
    tower = VisionTower.from_directory(directory)
    grey = tower.preprocess([Image.new("RGB", size, (128, 128, 128))])
    assert grey.shape == (1, 3, HEIGHT_PX, WIDTH_PX)


def test_unknown_preprocessing_is_refused_at_once(directory: Path) -> None:
    edit_config(directory, "preprocess_cfg", resize_mode="stretch")
    with pytest.raises(ModelFormatError, match="stretch"):
        VisionTower.from_directory(directory)


# ---------------------------------------------------------------- files


def test_saved_and_read_again(directory: Path, tmp_path: Path) -> None:
    tower = VisionTower.from_directory(directory)
    saved = tmp_path / "deep" / "vision_tower"
    tower.save(saved)
    assert {file.name for file in saved.iterdir()} == {CONFIG_NAME, WEIGHTS_NAME}
    weights = load_file(saved / WEIGHTS_NAME)
    assert weights
    assert all(name.startswith("visual.") for name in weights)
    again = VisionTower.from_directory(saved)
    assert again.config == tower.config
    assert torch.equal(again(pixels()), tower(pixels()))
    assert torch.equal(again.preprocess([quarters()]), tower.preprocess([quarters()]))


def test_saved_over_itself(directory: Path) -> None:
    tower = VisionTower.from_directory(directory)
    before = tower(pixels())
    tower.save(directory)
    assert torch.equal(VisionTower.from_directory(directory)(pixels()), before)
    assert torch.equal(tower(pixels()), before)


def test_the_file_may_be_written_in_place_afterwards(directory: Path) -> None:
    tower = VisionTower.from_directory(directory, -1)
    before = tower(pixels())
    with (directory / WEIGHTS_NAME).open("r+b") as file:
        file.seek(-50_000, 2)
        file.write(b"\x7f" * 50_000)
    assert torch.equal(tower(pixels()), before)


def test_the_text_half_is_not_built(directory: Path) -> None:
    tower = VisionTower.from_directory(directory)
    assert all(name.startswith("visual.") for name in tower.state_dict())
    assert not any(parameter.is_meta for parameter in tower.parameters())


def damage(directory: Path, what: str) -> None:
    config, weights = directory / CONFIG_NAME, directory / WEIGHTS_NAME
    data = weights.read_bytes()
    match what:
        case "no config":
            config.unlink()
        case "no weights":
            weights.unlink()
        case "config cut off":
            config.write_bytes(config.read_bytes()[:40])
        case "config of something else":
            config.write_text('{"architectures": ["LlamaForCausalLM"]}')
        case "config is a list":
            config.write_text("[]")
        case "weights cut off":
            weights.write_bytes(data[: len(data) // 2])
        case "weights empty":
            weights.write_bytes(b"")
        case "weights of something else":
            save_file({"model.embed_tokens.weight": torch.zeros(2, 2)}, weights)
        case "one tensor missing":
            tensors = load_file(weights)
            del tensors["visual.ln_pre.bias"]
            save_file(tensors, weights)
        case "another size":
            edit_config(directory, "vision_cfg", width=64)
        case "a setting from the future":
            edit_config(directory, "vision_cfg", mixture_of_eyes=True)
        case "heads that do not divide":
            edit_config(directory, "vision_cfg", head_width=5)
        case "a ResNet, and weights of a ViT":
            edit_config(directory, "vision_cfg", layers=[1, 1, 1, 1], image_size=64)
        case "a ResNet that is not square":
            edit_config(directory, "vision_cfg", layers=[1, 1, 1, 1])
        case "a timm model":
            edit_config(directory, "vision_cfg", timm_model_name="vit_tiny_patch16_224")


@pytest.mark.parametrize(
    ("what", "error", "words"),
    [
        ("no config", ModelFormatError, CONFIG_NAME),
        ("no weights", ModelFormatError, WEIGHTS_NAME),
        ("config cut off", DamagedCheckpointError, CONFIG_NAME),
        ("config of something else", ModelFormatError, "model_cfg"),
        ("config is a list", ModelFormatError, "model_cfg"),
        ("weights cut off", DamagedCheckpointError, WEIGHTS_NAME),
        ("weights empty", DamagedCheckpointError, WEIGHTS_NAME),
        ("weights of something else", ModelFormatError, "no visual"),
        ("one tensor missing", ModelFormatError, "do not fit"),
        ("another size", ModelFormatError, "do not fit"),
        ("a setting from the future", ModelFormatError, "mixture_of_eyes"),
        ("heads that do not divide", ModelFormatError, "cannot build"),
        ("a ResNet, and weights of a ViT", ModelFormatError, "do not fit"),
        ("a ResNet that is not square", ModelFormatError, "cannot build"),
        ("a timm model", ModelFormatError, "timm"),
    ],
)
def test_bad_directories(directory: Path, what: str, error: type[YurenError], words: str) -> None:
    damage(directory, what)
    with pytest.raises(error) as caught:
        VisionTower.from_directory(directory)
    assert type(caught.value) is error
    assert str(directory) in caught.value.message
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


# ---------------------------------------------------------------- names


def test_a_directory_is_a_name(directory: Path) -> None:
    expected = VisionTower.from_directory(directory, -1)(pixels())
    for ref in (str(directory), f"local-dir:{directory}"):
        assert torch.equal(VisionTower.from_name(ref, -1)(pixels()), expected)


def test_hub_id(directory: Path, clip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def hub(model_id: str, filename: str = WEIGHTS_NAME) -> str:
        assert model_id == "someone/clip"
        return str(directory / filename)

    monkeypatch.setattr("open_clip.pretrained.download_pretrained_from_hf", hub)
    tower = VisionTower.from_name("hf-hub:someone/clip")
    torch.testing.assert_close(tower(pixels()), block_outputs(clip, pixels())[-2][:, 1:])


@pytest.fixture
def listed(clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An architecture and a tag in open_clip's own lists; the weights are a `.pt` file."""
    file = tmp_path / "weights.pt"
    torch.save({"state_dict": clip.state_dict()}, file)
    model_cfg = {**CONFIG["model_cfg"], "quick_gelu": False}
    tags = {"ours": {"file": str(file), "quick_gelu": True, **CONFIG["preprocess_cfg"]}}
    monkeypatch.setitem(sys.modules["open_clip.factory"]._MODEL_CONFIGS, "ViT-T-8", model_cfg)
    monkeypatch.setitem(sys.modules["open_clip.pretrained"]._PRETRAINED, "ViT-T-8", tags)
    return file


@pytest.mark.parametrize("ref", ["ViT-T-8/ours", "ViT-T/8/ours"])
def test_architecture_and_tag(listed: Path, clip: Any, ref: str) -> None:
    tower = VisionTower.from_name(ref)
    torch.testing.assert_close(tower(pixels()), block_outputs(clip, pixels())[-2][:, 1:])
    assert tower.config["preprocess_cfg"]["mean"] == [0.1, 0.2, 0.3]


def test_saved_from_a_tag_and_read_again(listed: Path, tmp_path: Path) -> None:
    tower = VisionTower.from_name("ViT-T-8/ours")
    tower.save(tmp_path / "saved")
    again = VisionTower.from_directory(tmp_path / "saved")
    assert torch.equal(again(pixels()), tower(pixels()))
    assert torch.equal(again.preprocess([quarters()]), tower.preprocess([quarters()]))


def test_a_pickle_that_wants_more_than_tensors(listed: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return pytest.fail, ("the pickle was run",)

    torch.save({"state_dict": Bomb()}, listed)
    with pytest.raises(UnsafeCheckpointError, match="more than tensors") as caught:
        VisionTower.from_name("ViT-T-8/ours")
    assert "safetensors" in caught.value.hint
    listed.write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(UnsafeCheckpointError):
        VisionTower.from_name("ViT-T-8/ours")


def test_a_half_copied_pickle(listed: Path) -> None:
    listed.write_bytes(listed.read_bytes()[:5000])
    with pytest.raises(DamagedCheckpointError, match="cut off"):
        VisionTower.from_name("ViT-T-8/ours")


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("/no/such/tower", "no directory"),
        ("local-dir:missing", "no directory"),
        ("ViT-Nothing/openai", "no vision tower"),
        ("ViT-L-14", "no vision tower"),
        ("", "no vision tower"),
        ("ViT-L-14/nobody", "no weights 'nobody'"),
    ],
)
def test_names_that_lead_nowhere(ref: str, words: str) -> None:
    with pytest.raises(ModelNotFoundError, match=words) as caught:
        VisionTower.from_name(ref)
    assert caught.value.hint


def test_known_tags_are_offered() -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        VisionTower.from_name("ViT-L-14/nobody")
    assert "datacomp_xl_s13b_b90k" in caught.value.hint


@pytest.mark.parametrize("ref", ["hf-hub:someone/clip", "ViT-L-14/datacomp_xl_s13b_b90k"])
def test_no_network(ref: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(*_: Any, **__: Any) -> str:
        raise OSError("Network is\nunreachable")

    monkeypatch.setattr("open_clip.pretrained.hf_hub_download", offline)
    with pytest.raises(DownloadError, match="Network is unreachable") as caught:
        VisionTower.from_name(ref)
    assert ref in caught.value.message
    assert "give its directory" in caught.value.hint


def test_import_is_light() -> None:
    code = (
        "import sys, yuren_core.model.vision_tower; "
        "print(sorted({'open_clip', 'torchvision', 'transformers', 'PIL'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
