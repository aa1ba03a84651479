# SPDX-License-Identifier: Apache-2.0
"""The projector's start says in words' embeddings what stands in a cell."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tests.train.recipes.starter.tiny_art import flat_sprites, number
from yuren_core.model.loading import load_model
from yuren_core.model.vision_tower import VisionTower
from yuren_train.recipes.starter import projector
from yuren_train.recipes.starter.art import concepts
from yuren_train.recipes.starter.projector import (
    fit_projector,
    put_projector,
    word_vectors,
)
from yuren_train.recipes.starter.scenes import COLOURS, Place, Scene, SceneMaker
from yuren_train.recipes.starter.tower import IMAGE_SIZE, STRIDE, Learner, save_tower

GRID = IMAGE_SIZE // STRIDE


def test_a_linear_relation_is_found() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 12, generator=generator) * torch.logspace(-1, 1, 12) + 3
    targets = features @ torch.randn(12, 5, generator=generator) + 7
    weight, bias = projector._least_squares(features, targets)
    assert (weight.shape, bias.shape) == ((5, 12), (5,))
    torch.testing.assert_close(features @ weight.T + bias, targets, rtol=0.1, atol=0.5)


def test_a_word_is_embedded_as_in_a_sentence(text_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(text_model)
    table = torch.randn(512, 6, generator=torch.Generator().manual_seed(2))
    vectors = word_vectors(["capital", "zebra"], tokenizer, table)
    for vector, word in zip(vectors, (" capital", " zebra"), strict=True):
        ids = tokenizer.encode(word, add_special_tokens=False)
        torch.testing.assert_close(vector, table[ids].mean(0))


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> VisionTower:
    """One that has learned nothing: even so its cells tell flat colours apart."""
    torch.manual_seed(0)
    names = functional.normalize(torch.randn(len(concepts()), 64), dim=-1)
    directory = tmp_path_factory.mktemp("tower") / "tower"
    save_tower(Learner(names), directory)
    return VisionTower.from_directory(directory, -1)


@pytest.fixture
def words(
    text_model: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[PreTrainedTokenizerBase, Tensor]:
    """A tokenizer and a table of embeddings; few scenes are enough."""
    monkeypatch.setattr(projector, "_BATCHES", 2)
    monkeypatch.setattr(projector, "_BATCH", 96)
    table = torch.randn(512, 64, generator=torch.Generator().manual_seed(3))
    return AutoTokenizer.from_pretrained(text_model), table


def cells_of(tower: VisionTower, maker: SceneMaker, scene: Scene) -> Tensor:
    """(P, C)."""
    return tower((maker.picture(scene, IMAGE_SIZE, seed=scene.colour)[None] - 0.5) / 0.25)[0]


def test_names_come_from_the_towers_own_layer_as_long_as_embeddings_are(
    tower: VisionTower,
    words: tuple[PreTrainedTokenizerBase, Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(projector, "_COLOUR_SHARE", 0.0)
    monkeypatch.setattr(projector, "_NUMBER_SHARE", 0.0)
    monkeypatch.setattr(projector, "_SIDE_SHARE", 0.0)
    sprites = flat_sprites("cat", "apple", "car", "tree")
    weight, bias = fit_projector(tower, sprites, *words, seed=0)
    assert weight.shape == (64, tower.hidden_size)
    names = word_vectors([concept.name for concept in concepts()], *words)
    maker = SceneMaker(sprites, GRID)
    cells = cells_of(tower, maker, Scene((number("cat"),), (Place(0.5, 0.5, 0.95),), 4))
    head: Tensor = tower.visual.attnpool.c_proj(cells)
    vectors = cells @ weight.T + bias - names.mean(0)
    assert functional.cosine_similarity(vectors, head, dim=-1).min() > 0.999
    length = (names - names.mean(0)).norm(dim=1).mean()
    assert 0.4 < vectors[GRID * GRID // 2].norm() / length < 2.5


def test_colours_come_as_their_words(
    tower: VisionTower,
    words: tuple[PreTrainedTokenizerBase, Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(projector, "_COLOUR_SHARE", 1.0)
    sprites = flat_sprites("cat", "apple", "car", "tree")
    weight, bias = fit_projector(tower, sprites, *words, seed=0)
    monkeypatch.setattr(projector, "_COLOUR_SHARE", 0.0)
    without, at = fit_projector(tower, sprites, *words, seed=0)
    table = word_vectors(COLOURS, *words)
    maker = SceneMaker(sprites, GRID)

    def said(colour: int) -> int:
        cells = cells_of(tower, maker, Scene((number("car"),), (Place(0.5, 0.5, 0.5),), colour))
        vector = (cells @ (weight - without).T + bias - at).mean(0, keepdim=True)
        return int(functional.cosine_similarity(vector, table - table.mean(0), dim=-1).argmax())

    right = [said(colour) == colour for colour in range(len(COLOURS))]
    assert sum(right) / len(right) > 0.6  # an eleventh by chance


def test_the_projector_of_a_model_directory_is_replaced(
    multimodal_model: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "model"
    directory.mkdir()
    for file in multimodal_model.rglob("*"):
        if file.is_file():
            target = directory / file.relative_to(multimodal_model)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(file.read_bytes())
    before = load_file(directory / "model.safetensors")
    weight, bias = torch.full((64, 32), 0.5), torch.full((64,), -2.0)
    put_projector(directory, weight, bias)
    after = load_file(directory / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"model.mm_projector.weight", "model.mm_projector.bias"}
    model = load_model(str(directory), load="fp32", device="cpu").model
    assert torch.equal(model.model.mm_projector.weight.data, weight)
    assert torch.equal(model.model.mm_projector.bias.data, bias)
