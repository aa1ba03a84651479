# SPDX-License-Identifier: Apache-2.0
"""Packed samples learn what they learn alone, and what transformers' own LLaMA says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from yuren_core.messages import ImagePart
from yuren_core.model.loading import load_model
from yuren_core.model.tokenization import IGNORE_INDEX
from yuren_train.data.collator import collate
from yuren_train.data.samples import Sample
from yuren_train.data.schema import Place
from yuren_train.training import packed_attention
from yuren_train.training.learner import Learner, empty_batch

SIZES = (17, 1, 40, 5, 26, 39)


@pytest.fixture(autouse=True, params=["short", "long"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of a CPU: samples of about one length together, or one after the other."""
    if request.param == "long":
        monkeypatch.setattr(packed_attention, "SHORT", 0)


def make_samples(seed: int = 0, sizes: tuple[int, ...] = SIZES) -> list[Sample]:
    random = np.random.default_rng(seed)
    samples = []
    for row, size in enumerate(sizes):
        ids = random.integers(3, 300, size).astype(np.int32)
        labels = ids.astype(np.int64)
        labels[: size // 3] = IGNORE_INDEX
        images: tuple[ImagePart, ...] = ()
        samples.append(Sample(ids, labels, images, Place(Path("rows.jsonl"), row + 1, row)))
    return samples


def learner_of(directory: Path) -> Learner:
    model = load_model(str(directory), load="fp32", device="cpu").model
    model.requires_grad_(True)
    return Learner(model)


def gradients(learner: Learner) -> dict[str, Tensor]:
    return {
        name: parameter.grad.clone()
        for name, parameter in learner.named_parameters()
        if parameter.grad is not None
    }


def loss_by_transformers(model: Any, samples: list[Sample]) -> Tensor:
    """Transformers' own logits, one sample at a time, and torch's cross-entropy."""
    model.set_attn_implementation("eager")
    total = torch.zeros(())
    for sample in samples:
        ids = torch.from_numpy(sample.input_ids.astype(np.int64))[None]
        logits = model(input_ids=ids).logits[0, :-1]
        total = total + functional.cross_entropy(
            logits,
            torch.from_numpy(sample.labels[1:]),
            ignore_index=IGNORE_INDEX,
            reduction="sum",
        )
    return total


def test_packed_equals_transformers_sample_by_sample(text_model: Path) -> None:
    samples = make_samples()
    reference = learner_of(text_model)
    wanted = loss_by_transformers(reference.language_model, samples)
    wanted.backward()
    learner = learner_of(text_model)
    loss = learner(collate(samples))
    loss.backward()
    torch.testing.assert_close(loss, wanted)
    found, right = gradients(learner), gradients(reference)
    assert found.keys() == right.keys()
    for name in right:
        torch.testing.assert_close(found[name], right[name], msg=name, rtol=1e-4, atol=1e-4)


def test_packed_equals_unpacked(text_model: Path) -> None:
    samples = make_samples()
    packed, single = learner_of(text_model), learner_of(text_model)
    loss = packed(collate(samples))
    loss.backward()
    parts = [single(collate([sample])) for sample in samples]
    torch.stack(parts).sum().backward()
    torch.testing.assert_close(loss, torch.stack(parts).sum())
    right = gradients(single)
    for name, found in gradients(packed).items():
        torch.testing.assert_close(found, right[name], msg=name, rtol=1e-4, atol=1e-4)


def test_no_sample_sees_another(text_model: Path) -> None:
    learner = learner_of(text_model)
    samples = make_samples()
    alone = learner(collate(samples[:1]))
    for seed in (1, 2):
        others = make_samples(seed)[1:]
        for order in ([samples[0], *others], [*others, samples[0]]):
            rest = learner(collate(others))
            torch.testing.assert_close(learner(collate(order)) - rest, alone, rtol=1e-5, atol=1e-3)


def test_a_leak_would_be_seen(text_model: Path) -> None:
    """The proof above can fail: taken as one sample, the same tokens give another loss."""
    learner = learner_of(text_model)
    batch = collate(make_samples())
    batch_as_one = replace(
        batch,
        cu_seqlens=torch.tensor([0, batch.tokens], dtype=torch.int32),
        max_seqlen=batch.tokens,
    )
    assert abs((learner(batch) - learner(batch_as_one)).item()) > 0.1


def test_gradient_checkpointing_changes_nothing(text_model: Path) -> None:
    samples = make_samples()
    plain, frugal = learner_of(text_model), learner_of(text_model)
    frugal.language_model.activation_checkpointing_enable({"use_reentrant": False})
    frugal.train()
    for learner in (plain, frugal):
        learner(collate(samples)).backward()
    right = gradients(plain)
    for name, found in gradients(frugal).items():
        torch.testing.assert_close(found, right[name], msg=name)


def test_an_empty_batch_learns_nothing(text_model: Path) -> None:
    learner = learner_of(text_model)
    loss = learner(empty_batch(torch.device("cpu")))
    loss.backward()
    assert loss == 0
    assert not any(gradient.any() for gradient in gradients(learner).values())


@pytest.mark.parametrize("pictures", [0, 2])
def test_pictures_reach_the_projector(multimodal_model: Path, pictures: int) -> None:
    loaded = load_model(str(multimodal_model), load="fp32", device="cpu")
    model, tower = loaded.model, loaded.vision_tower
    assert tower is not None
    model.requires_grad_(True)
    learner = Learner(model)
    batch = collate(make_samples())
    ids = batch.input_ids.clone()
    patch = model.config.image_token_id
    ids[0, 20 : 20 + pictures * tower.num_patches] = patch
    batch = replace(batch, input_ids=ids, image_keys=("a", "b")[:pictures])
    if pictures:
        with pytest.raises(ValueError, match="no tower has seen"):
            learner(batch)
        seen = tower(torch.randn(pictures, 3, *tower.image_size))
        batch = replace(batch, image_features=seen)
    learner(batch).backward()
    weight = model.model.mm_projector.weight
    assert weight.grad is not None  # every rank does the same collectives
    assert bool(weight.grad.any()) is bool(pictures)
