# SPDX-License-Identifier: Apache-2.0
"""From what was said to a complete config: who goes first, what is refused, what reads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from yuren_core.errors import UsageError
from yuren_core.i18n import use_language
from yuren_train.config import Source, TrainConfig
from yuren_train.config.foreign_names import FOREIGN, suggested
from yuren_train.config.model_shape import ModelShape
from yuren_train.config.settling import NAMES, Settled, settle, source_of

TINY = ModelShape(64, 128, 3, 4, 2, 16, 512, True, 2048)
LLAMA_7B = ModelShape(4096, 11008, 32, 32, 32, 128, 64000, False, 4096)


@pytest.fixture(autouse=True)
def english() -> None:
    use_language("en")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    file.touch()
    return file


def settled(
    rows: Path, typed: dict[str, Any] | None = None, yaml: str = "", shape: ModelShape = TINY
) -> Settled:
    file = None
    if yaml:
        file = rows.with_name("run.yaml")
        file.write_text(yaml, encoding="utf-8")
    return settle(
        "stage1",
        typed=typed or {},
        file=file,
        shape_of=lambda ref: shape,
        standard={"model": "starter", "data": [str(rows)]},
    )


def test_the_command_line_goes_before_the_file_and_the_file_before_defaults(rows: Path) -> None:
    result = settled(rows, {"lr": 3e-4}, "lr: 1e-4\nseed: 7\n")
    assert (result.config.lr, result.config.seed) == (3e-4, 7)
    assert result.origins["lr"] == "command line"
    assert result.origins["seed"] == f"{rows.with_name('run.yaml')}:2"
    assert result.origins["max_length"] == "default for the bundled sample data"


def test_the_reference_size_takes_the_original_recipe(rows: Path) -> None:
    config = settled(rows, {"data": [str(rows)]}, shape=LLAMA_7B).config
    assert (config.epochs, config.max_length, config.lr) == (1.0, 4096, 2e-5)
    assert (config.schedule, config.warmup, config.weight_decay) == ("cosine", 0.03, 0.0)
    assert config.gradient_checkpointing
    assert config.keep_checkpoints == 8


def test_qlora_at_the_reference_size_takes_the_original_recipe(rows: Path) -> None:
    typed = {"data": [str(rows)], "method": "qlora"}
    config = settled(rows, typed, shape=LLAMA_7B).config
    assert (config.lr, config.max_grad_norm, config.optimizer) == (5e-5, 0.5, "paged_adamw_8bit")
    assert (config.lora_rank, config.lora_alpha, len(config.lora_targets)) == (64, 16, 7)


def test_rows_are_no_longer_than_the_model_was_made_for(rows: Path) -> None:
    short = ModelShape(64, 128, 3, 4, 2, 16, 512, True, 256)
    assert settled(rows, {"data": [str(rows)]}, shape=short).config.max_length == 256
    with pytest.raises(UsageError, match="made for 256 tokens"):
        settled(rows, {"max_length": 300}, shape=short)


def test_the_written_file_reads_back_as_the_same_config(rows: Path) -> None:
    first = settled(rows, {"lr": 1e-5, "data": [f"{rows}:0.5"], "sample_prompts": ("你好？",)})
    again = settled(rows, yaml=first.text())
    assert again.config == first.config
    assert first.config.data == (Source(rows, 0.5),)


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("max-lenght: 5\n", ["run.yaml:1", "max-lenght", "did you mean max_length?"]),
        ("seed: 1\n\nlr: fast\n", ["lr cannot be 'fast'", "run.yaml:3"]),
        ("seed: 1\nseed: 2\n", ["run.yaml:2", "stands in line 1 already"]),
        ("lr: [1\n", ["run.yaml:2", "no YAML"]),
        ("- lr\n", ["holds no names and values"]),
        ("lr: 7\n", ["lr cannot be 7", "0 < lr < 1"]),
        ("order: random\n", ["order cannot be 'random'", "packed"]),
        ("data: missing.jsonl\n", ["There is no file missing.jsonl"]),
        ("data: []\n", ["nothing to learn from"]),
        ("offload: true\n", ["--offload needs --zero"]),
        ("epochs: .inf\n", ["epochs cannot be inf"]),
        ("log_interval: .inf\n", ["log_interval cannot be inf"]),
        ("warmup: .nan\n", ["warmup cannot be nan"]),
        ("data: [{path: rows.jsonl, weight: .inf}]\n", ["weight cannot be inf"]),
        ("method: lora\nlora_targets: []\n", ["lora_targets cannot be []", "q_proj"]),
        ("lora_targets: [w_proj]\n", ["w_proj", "q_proj"]),
        ("images: nowhere\n", ["There is no directory nowhere"]),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(rows: Path, yaml: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        settled(rows, yaml=yaml)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("learning_rate", "lr"),
        ("learing-rate", "lr"),
        ("per_device_train_batch_size", "batch_size"),
        ("gradient_accumulation_steps", "grad_accum"),
        ("num_train_epochs", "epochs"),
        ("cutoff_len", "max_length"),
        ("warmup_ratio", "warmup"),
        ("output_dir", "out"),
        ("model_name_or_path", "model"),
        ("lora_target", "lora_targets"),
        ("dataset", "data"),
    ],
)
def test_the_names_of_other_trainers_are_told_ours(theirs: str, ours: str) -> None:
    assert suggested(theirs.replace("-", "_"), NAMES) == ours


@pytest.mark.parametrize(
    "name", ["template", "do_train", "overwrite_cache", "stage", "ddp_timeout"]
)
def test_nothing_is_suggested_that_is_far_off(name: str) -> None:
    assert suggested(name, NAMES) == ""


def test_every_suggestion_is_a_name_of_ours() -> None:
    assert set(FOREIGN.values()) <= set(NAMES)
    assert not set(FOREIGN) & set(NAMES)


def test_all_bad_keys_of_a_file_are_told_together(rows: Path) -> None:
    with pytest.raises(UsageError) as error:
        settled(rows, yaml="learning_rate: 1\ntemplate: chatml\nseed: 1\nseed: 2\n")
    said = str(error.value)
    places = ("run.yaml:1: ", "did you mean lr?", "run.yaml:2: ", "run.yaml:4: ", "Keep one")
    assert all(words in said for words in places), said


def test_a_source_may_carry_its_weight() -> None:
    assert source_of("rows.jsonl") == Source(Path("rows.jsonl"))
    assert source_of("C:/rows.jsonl") == Source(Path("C:/rows.jsonl"))
    assert source_of("a:b.jsonl:0.25") == Source(Path("a:b.jsonl"), 0.25)


def test_what_means_nothing_in_a_stage_is_left_out_unless_it_was_said(rows: Path) -> None:
    without = {"projector_lr", "on_bad_image"}
    assert not any(name in settled(rows).text(without=without) for name in without)
    said = settled(rows, yaml="on_bad_image: skip\n").text(without=without)
    assert "on_bad_image: skip" in said
    assert "projector_lr" in settled(rows).text()


def test_every_value_has_an_origin(rows: Path) -> None:
    result = settled(rows)
    assert isinstance(result.config, TrainConfig)
    assert all(result.origins.values())
    assert set(result.origins) == set(result.config.__dataclass_fields__) - {"stage"}
