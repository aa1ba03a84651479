# SPDX-License-Identifier: Apache-2.0
"""The projector's start says in words' embeddings what stands in a cell."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from transformers import AutoTokenizer

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


def test_a_linear_relation_is_found_and_keeps_its_length() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 12, generator=generator) * torch.logspace(-1, 1, 12) + 3
    truth = torch.randn(12, 5, generator=generator)
    middle = torch.randn(5, generator=generator)
    targets = features @ truth
    targets = targets - targets.mean(0)
    weight, bias = projector._least_squares(features, targets, middle)
    assert (weight.shape, bias.shape) == ((5, 12), (5,))
    found = features @ weight.T + bias - middle
    assert functional.cosine_similarity(found, targets, dim=-1).quantile(0.05) > 0.99
    assert found.norm(dim=1).mean() == pytest.approx(float(targets.norm(dim=1).mean()), rel=0.02)


def test_noise_makes_the_answers_no_shorter() -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(500, 8, generator=generator)
    targets = features @ torch.randn(8, 4, generator=generator)
    targets += 5 * torch.randn(targets.shape, generator=generator)
    targets -= targets.mean(0)
    weight, bias = projector._least_squares(features, targets, torch.zeros(4))
    found = (features @ weight.T + bias).norm(dim=1).mean()
    assert found == pytest.approx(float(targets.norm(dim=1).mean()), rel=0.05)


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
    names = functional.normalize(torch.randn(len(concepts()), 8), dim=-1)
    directory = tmp_path_factory.mktemp("tower") / "tower"
    save_tower(Learner(names), directory)
    return VisionTower.from_directory(directory, -1)


def test_cells_become_the_words_for_what_they_show(
    tower: VisionTower, text_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector, "_BATCHES", 2)
    monkeypatch.setattr(projector, "_BATCH", 96)
    names = ("cat", "apple", "car", "tree")
    sprites = flat_sprites(*names)
    tokenizer = AutoTokenizer.from_pretrained(text_model)
    table = torch.randn(512, 64, generator=torch.Generator().manual_seed(3))
    weight, bias = fit_projector(tower, sprites, tokenizer, table, seed=0)
    assert weight.shape == (64, tower.hidden_size)
    words = word_vectors(names, tokenizer, table) - table.mean(0)
    maker = SceneMaker(sprites, GRID)

    def said(name: str, ground: int) -> str:
        scene = Scene((number(name),), (Place(0.5, 0.5, 0.9),), ground)
        pixels = maker.picture(scene, IMAGE_SIZE, seed=ground)[None]
        middle_cell = tower((pixels - 0.5) / 0.25)[0, GRID * GRID // 2]
        vector: Tensor = middle_cell @ weight.T + bias - table.mean(0)
        return names[int(functional.cosine_similarity(vector[None], words, dim=-1).argmax())]

    right = [said(name, ground) == name for name in names for ground in range(len(COLOURS))]
    assert sum(right) / len(right) > 0.6  # a quarter by chance


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
