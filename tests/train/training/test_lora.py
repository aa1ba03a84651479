# SPDX-License-Identifier: Apache-2.0
"""LoRA and QLoRA: what is trained, what stays, and that rows go where they are looked up."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.core.foreign import make_llama
from tests.core.published import make_published
from tests.tiny import make_text_model
from yuren_core.errors import UsageError
from yuren_train.config import LORA_TARGETS, Method, TrainConfig
from yuren_train.training.lora import load_base, load_mode, prepare, trained_token_ids
from yuren_train.training.trained_rows import head_of

IDS = torch.tensor([[1, 45, 300, 2, 402, 401, 77, 1, 9]])
Config = Callable[..., TrainConfig]


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text model, tied and untied."""
    directory = tmp_path_factory.mktemp("lora") / "base"
    return make_text_model(directory, tied=request.param)


@pytest.fixture
def config(base: Path, tmp_path: Path) -> Config:
    def make(method: Method = "lora", **values: object) -> TrainConfig:
        start = TrainConfig(
            stage="stage1",
            model=str(base),
            data=(),
            out=tmp_path / "out",
            method=method,
            dtype="fp32",
            lora_rank=4,
        )
        return replace(start, **values)  # type: ignore[arg-type]

    return make


def prepared(config: TrainConfig) -> nn.Module:
    loaded = load_base(config, device="cpu")
    return prepare(loaded.model, config, trained_token_ids(loaded.tokenizer))


def trained(model: nn.Module) -> dict[str, Tensor]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def randomize(model: nn.Module) -> None:
    """Give every trained tensor a value of its own; a fresh LoRA changes nothing."""
    torch.manual_seed(7)
    with torch.no_grad():
        for tensor in trained(model).values():
            tensor.add_(torch.randn_like(tensor) * 0.1)


def step(model: nn.Module) -> dict[str, Tensor]:
    """One step of SGD; returns the gradients."""
    model.train()
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=IDS).logits.float()
        nn.functional.cross_entropy(logits[0, :-1], IDS[0, 1:]).backward()
    gradients = {}
    with torch.no_grad():
        for name, tensor in trained(model).items():
            assert tensor.grad is not None
            gradients[name] = tensor.grad.clone()
            tensor.sub_(tensor.grad)
    return gradients


def frozen_bytes(model: nn.Module) -> dict[str, bytes]:
    return {
        name: p.detach().contiguous().view(torch.uint8).numpy().tobytes()
        for name, p in model.named_parameters()
        if not p.requires_grad
    }


def test_each_method_loads_its_own_way(config: Config) -> None:
    assert load_mode(config("full")) == "fp32"
    assert load_mode(config("lora", dtype="bf16")) == "bf16"
    assert load_mode(config("qlora", dtype="bf16")) == "4bit"


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_seven_projections_and_the_control_rows_are_trained_in_fp32(
    config: Config, method: Method
) -> None:
    model = prepared(config(method))
    names = trained(model)
    assert {tensor.dtype for tensor in names.values()} == {torch.float32}
    for layer in range(3):
        for target in LORA_TARGETS:
            assert sum(f"layers.{layer}." in n and f".{target}.lora_" in n for n in names) == 2
    rows = [tensor for name, tensor in names.items() if "trainable_tokens" in name]
    tied = model.get_base_model().config.tie_word_embeddings  # type: ignore[operator]
    assert [tuple(tensor.shape) for tensor in rows] == [(5, 64)] * (1 if tied else 2)
    assert len(names) == 3 * 7 * 2 + len(rows)


def test_peft_s_warnings_to_programmers_are_not_shown(config: Config) -> None:
    told = config(method="lora")
    loaded = load_base(told)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare(loaded.model, told, trained_token_ids(loaded.tokenizer))


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_a_fresh_lora_changes_nothing(config: Config, method: Method) -> None:
    loaded = load_base(config(method), device="cpu")
    before = loaded.model(input_ids=IDS).logits
    model = prepare(loaded.model, config(method), trained_token_ids(loaded.tokenizer))
    assert torch.equal(model(input_ids=IDS).logits, before)


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_steps_learn_and_leave_the_base_untouched(config: Config, method: Method) -> None:
    model = prepared(config(method))
    assert any(p.dtype == torch.uint8 for p in model.parameters()) == (method == "qlora")
    before = frozen_bytes(model)
    start = {name: tensor.detach().clone() for name, tensor in trained(model).items()}
    model.eval()
    with torch.no_grad():
        model(input_ids=IDS)
    for _ in range(2):  # at the first, B is 0, and A does not move
        step(model)
    assert frozen_bytes(model) == before
    still = [name for name, tensor in trained(model).items() if torch.equal(tensor, start[name])]
    assert not still


def test_an_evaluation_in_between_changes_no_gradient(config: Config) -> None:
    plain, interrupted = prepared(config("qlora")), prepared(config("qlora"))
    randomize(plain)
    randomize(interrupted)
    interrupted.eval()
    with torch.inference_mode():
        interrupted(input_ids=IDS)
    one, other = step(plain), step(interrupted)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_rows_are_looked_up_as_peft_would_copy_them(config: Config) -> None:
    from peft.tuners.trainable_tokens import TrainableTokensLayer

    model = prepared(config())
    randomize(model)
    ours = model(input_ids=IDS).logits
    ours.square().sum().backward()
    gradients = {name: tensor.grad for name, tensor in trained(model).items()}
    model.zero_grad()
    for module in model.modules():
        if isinstance(module, TrainableTokensLayer):
            module.__class__ = TrainableTokensLayer
    theirs = model(input_ids=IDS).logits
    theirs.square().sum().backward()
    torch.testing.assert_close(ours, theirs)
    for name, tensor in trained(model).items():
        torch.testing.assert_close(gradients[name], tensor.grad, rtol=1e-3, atol=1e-4)


def test_the_head_with_its_rows_gives_the_model_s_own_logits(config: Config) -> None:
    model = prepared(config())
    randomize(model)
    weight, rows, row_ids = head_of(model)
    assert rows is not None
    assert row_ids is not None
    assert not weight.requires_grad
    assert rows.requires_grad
    inner = model.get_base_model()  # type: ignore[operator]
    hidden = inner.model(input_ids=IDS).last_hidden_state
    logits = hidden @ weight.index_copy(0, row_ids, rows).T
    torch.testing.assert_close(logits, model(input_ids=IDS).logits)
    assert not torch.allclose(hidden @ weight.T, logits)


def test_a_plain_model_has_a_head_without_rows(config: Config) -> None:
    loaded = load_base(config("full"), device="cpu")
    weight, rows, row_ids = head_of(loaded.model)
    assert weight is loaded.model.lm_head.weight
    assert (rows, row_ids) == (None, None)


def test_the_seed_decides_the_start_and_nothing_else_is_drawn(config: Config) -> None:
    torch.manual_seed(1)
    first = prepared(config(seed=5))
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), drawn)
    again, other = prepared(config(seed=5)), prepared(config(seed=6))
    one, two, three = trained(first), trained(again), trained(other)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], three[name]) for name in one)


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_a_lora_on_an_adapter_is_refused(config: Config, tmp_path: Path, method: Method) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match="is an adapter itself") as caught:
        load_base(config(method, model=str(tmp_path)), device="cpu")
    assert "yuren-train merge" in caught.value.hint


def test_a_model_that_is_told_otherwise_becomes_a_base_first(
    config: Config, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="prepare-base"):
        load_base(config(model=str(make_llama(tmp_path / "llama"))), device="cpu")
    published = make_published(tmp_path / "yuren")
    told = json.loads((published / "config.json").read_text())
    (published / "config.json").write_text(json.dumps({**told, "use_mm_proj": False}))
    with pytest.raises(UsageError, match="ChatML that is trained"):
        load_base(config(model=str(published)), device="cpu")


def test_a_target_that_is_not_there_is_named(config: Config) -> None:
    with pytest.raises(UsageError, match="W_pack") as caught:
        prepared(config(lora_targets=("q_proj", "W_pack")))
    assert "down_proj, gate_proj" in caught.value.hint
