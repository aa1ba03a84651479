# SPDX-License-Identifier: Apache-2.0
"""Stages 2 and 3: what learns, what stays, what comes out, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.train.tiny_run import losses, recipe_of, tiny_config, write_picture_rows
from yuren_core.errors import DataError, ImageError, UsageError
from yuren_core.images import image_part
from yuren_core.inference.engine import Engine
from yuren_core.messages import Message, Role, TextPart
from yuren_core.model.loading import load_model
from yuren_core.prompt import prompt_items
from yuren_core.protocol import Completed
from yuren_core.sampling_params import SamplingParams
from yuren_train.config import TrainConfig
from yuren_train.models.merge import merge
from yuren_train.training.evaluation import question_of
from yuren_train.training.events import (
    Evaluated,
    Event,
    Finished,
    Sampled,
    Started,
    Stepped,
    Warned,
)

Config = Callable[..., TrainConfig]
PROJECTOR = ("model.mm_projector.weight", "model.mm_projector.bias")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_picture_rows(tmp_path / "rows.jsonl", texts=12)


@pytest.fixture
def config(multimodal_model: Path, data: Path, tmp_path: Path) -> Config:
    def make(stage: str, out: str = "out", **values: Any) -> TrainConfig:
        model = values.pop("model", multimodal_model)
        rows = values.pop("data", data)
        standard: dict[str, Any] = {"stage": stage, "order": "grouped", "lora_rank": 8}
        return tiny_config(model, rows, tmp_path / out, **{**standard, **values})

    return make


def run(config: TrainConfig) -> list[Event]:
    events: list[Event] = []
    assert recipe_of(config.stage)(config, on_event=events.append) == config.out
    return events


def changed(before: Path, after: Path) -> set[str]:
    """Names of tensors that are not the same in two model directories."""
    one, other = (load_file(path / "model.safetensors") for path in (before, after))
    assert one.keys() == other.keys()
    return {name for name in one if not torch.equal(one[name], other[name])}


def answer_logits(directory: Path, picture: Path) -> Tensor:
    """The logits of all of a prompt with a picture, as the chat computes them."""
    loaded = load_model(str(directory), load="fp32", device="cpu")
    parts = (image_part(picture), TextPart("What is the colour?"))
    prompt = prompt_items([Message(Role.USER, parts)])
    fitted = loaded.tokenizer.encode_prompt(prompt, budget=400).encoded
    with torch.inference_mode():
        embeds = Engine(loaded)._embed(fitted, 0)
        logits: Tensor = loaded.model(inputs_embeds=embeds).logits
    return logits


def test_stage_2_learns_and_changes_nothing_but_the_projector(
    config: Config, multimodal_model: Path
) -> None:
    told = config("stage2", epochs=4, lr=1e-2, eval_split=0.1, eval_interval=1.0)
    events = run(told)
    measured = [event.loss for event in events if isinstance(event, Evaluated)]
    assert measured[-1] < 0.9 * measured[0]
    assert changed(multimodal_model, told.out) == set(PROJECTOR)
    started = next(event for event in events if isinstance(event, Started))
    assert started.trainable_parameters == 33 * 64
    assert any("12 rows have no picture" in e.message for e in events if isinstance(e, Warned))
    assert isinstance(events[-1], Finished)
    assert events[-1].proof == 0.0


def test_stage_1_leaves_a_projector_alone_and_keeps_the_tower(
    config: Config, multimodal_model: Path, data: Path
) -> None:
    plain = data.with_name("plain.jsonl")
    told = config("stage1", data=plain, max_steps=2, weight_decay=0.5)
    run(told)
    moved = changed(multimodal_model, told.out)
    assert "model.layers.0.mlp.up_proj.weight" in moved
    assert not moved & set(PROJECTOR)
    run(config("stage2", "second", model=told.out, max_steps=1))


def test_the_tower_goes_along_as_it_was(config: Config, multimodal_model: Path) -> None:
    told = config("stage2", max_steps=1, dtype="bf16")
    run(told)
    before, after = (
        load_file(path / "vision_tower" / "open_clip_model.safetensors")
        for path in (multimodal_model, told.out)
    )
    assert after
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())
    config_file = Path("vision_tower", "open_clip_config.json")
    assert (told.out / config_file).is_file()


def test_a_stage_2_in_bf16_leaves_the_language_model_to_the_bit(
    config: Config, multimodal_model: Path
) -> None:
    told = config("stage2", max_steps=2, dtype="bf16", lr=1e-2)
    run(told)
    assert changed(multimodal_model, told.out) <= set(PROJECTOR)
    assert changed(multimodal_model, told.out)


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_stage_3_learns_from_pictures_and_text(config: Config, method: str, dtype: str) -> None:
    told = config("stage3", method=method, dtype=dtype, lr=5e-3, eval_split=0.1, eval_interval=1.0)
    events = run(told)
    measured = [event.loss for event in events if isinstance(event, Evaluated)]
    assert measured[-1] < 0.9 * measured[0]
    loaded = load_model(str(told.out), load="fp32", device="cpu")
    assert loaded.vision_tower is not None
    parts = (image_part(told.data[0].path.with_name("red.png")), TextPart("What is the colour?"))
    question = prompt_items([Message(Role.USER, parts)])
    *_, last = Engine(loaded).generate(question, SamplingParams(temperature=0, max_new_tokens=4))
    assert isinstance(last, Completed)


def test_stage_3_goes_on_from_stage_2_and_the_tower_is_frozen(
    config: Config, multimodal_model: Path
) -> None:
    second = config("stage2", "second", max_steps=2)
    run(second)
    third = config("stage3", "third", model=second.out, max_steps=2)
    run(third)
    moved = changed(second.out, third.out)
    assert {*PROJECTOR, "model.layers.0.mlp.up_proj.weight", "lm_head.weight"} <= moved
    towers = [
        (path / "vision_tower" / "open_clip_model.safetensors").read_bytes()
        for path in (second.out, third.out)
    ]
    assert towers[0] == towers[1]


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_an_adapter_brings_its_projector_to_chat_and_merge(
    config: Config, multimodal_model: Path, tmp_path: Path, method: str
) -> None:
    told = config("stage3", method=method, lr=5e-3, epochs=1)
    run(told)
    trained = load_file(told.out / "mm_projector.safetensors")
    base = load_file(multimodal_model / "model.safetensors")
    assert not torch.equal(trained[PROJECTOR[0]], base[PROJECTOR[0]].float())
    assert not (told.out / "model.safetensors").exists()
    picture = told.data[0].path.with_name("red.png")
    whole = answer_logits(told.out, picture)
    without = Path(shutil.copytree(told.out, tmp_path / "without"))
    (without / "mm_projector.safetensors").unlink()
    assert (answer_logits(without, picture) - whole).abs().max() > 0.01
    merge(str(told.out), tmp_path / "merged", dequantized=method == "qlora", device="cpu")
    merged = load_file(tmp_path / "merged" / "model.safetensors")
    assert torch.equal(merged[PROJECTOR[0]], trained[PROJECTOR[0]].bfloat16())
    assert (tmp_path / "merged" / "vision_tower").is_dir()
    near = answer_logits(tmp_path / "merged", picture)
    assert (near - whole).abs().mean() < 0.05 * whole.std()


def test_the_split_of_a_batch_changes_nothing(config: Config) -> None:
    whole = losses(run(config("stage3", "whole", batch_size=4, epochs=1)))
    split = losses(run(config("stage3", "split", batch_size=2, grad_accum=2, epochs=1)))
    assert len(whole) > 4
    assert split == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize("stage", ["stage2", "stage3"])
def test_layers_may_be_computed_again(config: Config, stage: str) -> None:
    plain = losses(run(config(stage, "plain", epochs=1)))
    again = losses(run(config(stage, "again", epochs=1, gradient_checkpointing=True)))
    assert again == pytest.approx(plain, rel=1e-5)


class Cut(Exception):
    """Ends a run from within its listener."""


@pytest.mark.parametrize(
    "values",
    [
        {"stage": "stage2"},
        {"stage": "stage2", "dtype": "bf16", "cache": True},
        {"stage": "stage3"},
        {
            "stage": "stage3",
            "method": "lora",
            "lora_dropout": 0.3,
            "order": "packed",
            "batch_size": 1,
        },
        {"stage": "stage3", "method": "qlora", "dtype": "bf16"},
    ],
    ids=lambda values: "-".join(map(str, values.values())),
)
def test_a_run_that_is_cut_goes_on_to_the_bit(
    config: Config, tmp_path: Path, values: dict[str, Any]
) -> None:
    values = {"batch_size": 4, "epochs": 1, "save_interval": 2, **values}
    cached = values.pop("cache", False)

    def of(out: str) -> TrainConfig:
        cache = tmp_path / f"{out}-features" if cached else None
        return config(out=out, cache_features=cache, **values)

    def listen(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 5:
            raise Cut

    run(of("whole"))
    with pytest.raises(Cut):
        recipe_of(of("cut").stage)(of("cut"), on_event=listen)
    events = run(of("cut"))
    assert [event.step for event in events if isinstance(event, Started)] == [4]
    names = [file.name for file in of("whole").out.glob("*.safetensors")]
    assert names
    for name in names:
        one, other = (load_file(of(out).out / name) for out in ("whole", "cut"))
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_kept_features_change_nothing_and_are_made_once(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = losses(run(config("stage3", "plain", epochs=1)))
    cached = {"epochs": 1, "cache_features": tmp_path / "features"}
    first = losses(run(config("stage3", "first", **cached)))
    files = list((tmp_path / "features").rglob("*.safetensors"))
    assert len(files) == 3
    kept = load_file(files[0])["features"]
    assert (kept.dtype, tuple(kept.shape)) == (torch.bfloat16, (16, 32))
    monkeypatch.setattr("yuren_train.training.sight.look_at", None)
    assert losses(run(config("stage2", "other", max_steps=2, **cached)))
    assert first == pytest.approx(plain, rel=1e-4)


def test_the_projector_may_have_a_rate_of_its_own(config: Config, multimodal_model: Path) -> None:
    told = config("stage3", max_steps=1, lr=1e-9, projector_lr=1e-2, warmup=0)
    run(told)
    before, after = (load_file(p / "model.safetensors") for p in (multimodal_model, told.out))
    moved = {
        name: float((after[name].float() - before[name].float()).abs().max()) for name in before
    }
    assert moved[PROJECTOR[0]] > 5e-3
    assert all(moved[name] < 1e-3 for name in moved if name not in PROJECTOR)


def test_questions_at_an_evaluation_may_show_pictures(config: Config, data: Path) -> None:
    asked = tuple(
        f"@{data.with_name(name)} What is the colour?" for name in ("red.png", "blue.png")
    )
    told = config("stage3", epochs=12, lr=5e-3, eval_interval=1.0, sample_prompts=asked)
    answers = [event.answer for event in run(told) if isinstance(event, Sampled)]
    assert answers[-2:] == ["red", "blue"]
    with pytest.raises(ImageError, match=r"gone\.png"):
        question_of("@gone.png What is this?")


@pytest.mark.parametrize("stage", ["stage2", "stage3"])
def test_a_model_that_cannot_see_is_refused(config: Config, text_model: Path, stage: str) -> None:
    with pytest.raises(UsageError, match="no projector and no vision tower") as caught:
        run(config(stage, model=text_model))
    assert "prepare-base" in caught.value.hint
    assert "--vision-tower" in caught.value.hint


def test_a_lora_on_an_adapter_is_refused_and_stage_2_takes_it_in(config: Config) -> None:
    first = config("stage1", "first", method="lora", max_steps=1, on_bad_image="skip")
    run(first)
    with pytest.raises(UsageError, match="is an adapter itself"):
        run(config("stage3", "third", method="lora", model=first.out))
    second = config("stage2", "second", model=first.out, max_steps=1)
    run(second)
    assert (second.out / "vision_tower").is_dir()
    assert (second.out / "model.safetensors").is_file()


def test_stage_2_without_any_picture_is_refused(config: Config, data: Path) -> None:
    plain = data.with_name("plain.jsonl")
    assert plain.is_file()
    with pytest.raises(DataError, match="No row has a picture"):
        run(config("stage2", data=plain))


@pytest.mark.parametrize("broken", ["missing", "damaged"])
def test_a_bad_picture_stops_the_run_or_costs_its_row(
    config: Config, data: Path, broken: str
) -> None:
    bad = data.with_name("bad.png")
    if broken == "damaged":
        bad.write_bytes(data.with_name("red.png").read_bytes()[:40])
    turns = [{"from": "human", "value": "<image>?"}, {"from": "gpt", "value": "red"}]
    with data.open("a") as out:
        out.write(json.dumps({"image": "bad.png", "conversations": turns}) + "\n")
    with pytest.raises(ImageError, match=r"rows\.jsonl:49.*bad\.png"):
        run(config("stage3", max_steps=1))
    events = run(config("stage3", max_steps=1, on_bad_image="skip"))
    warned = [event.message for event in events if isinstance(event, Warned)]
    assert any("1 row is not trained on" in message and "bad.png" in message for message in warned)
    assert next(event.rows for event in events if isinstance(event, Started)) == 48
