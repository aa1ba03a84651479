# SPDX-License-Identifier: Apache-2.0
"""Estimates of memory: what must hold whatever the numbers are, and one that was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.train.training.run_events import config
from yuren_core.shipped import assets_dir
from yuren_train.config.model_shape import REFERENCE_SHAPES
from yuren_train.training.memory import Estimate, estimate_memory, smallest_card

GIB = 1 << 30
SEVEN = REFERENCE_SHAPES["7B"]


def estimate(world: int = 1, **values: Any) -> Estimate:
    standard: dict[str, Any] = {"max_length": 4096, "gradient_checkpointing": True}
    return estimate_memory(config(**{**standard, **values}), SEVEN, world=world)


def test_the_shapes_have_the_parameters_of_their_names() -> None:
    counts = {name: shape.parameters for name, shape in REFERENCE_SHAPES.items()}
    assert counts["135M"] == 134_515_008
    assert counts["7B"] == pytest.approx(7.0e9, rel=0.01)
    assert counts["13B"] == pytest.approx(13.0e9, rel=0.01)
    assert counts["33B"] == pytest.approx(32.5e9, rel=0.01)
    assert counts["70B"] == pytest.approx(69.0e9, rel=0.01)


def test_full_training_counts_every_byte_of_weights_gradients_and_states() -> None:
    parts = estimate().device
    assert parts["weights"] == SEVEN.parameters * 6  # fp32, and what bf16 products take
    assert parts["gradients"] == SEVEN.parameters * 4
    assert parts["states"] == SEVEN.parameters * 8


def test_a_4_bit_base_takes_about_half_a_byte_a_parameter() -> None:
    lora, qlora = (estimate(method=method).device["frozen"] for method in ("lora", "qlora"))
    assert lora == pytest.approx(SEVEN.parameters * 2, rel=0.01)
    assert qlora < 0.4 * lora


def test_each_saving_saves() -> None:
    full = estimate().total
    assert estimate(method="lora").total < full
    assert estimate(method="qlora").total < estimate(method="lora").total
    assert estimate(optimizer="paged_adamw_8bit").total < full
    assert estimate(gradient_checkpointing=False).total > full
    assert estimate(max_length=2048).total < full
    totals = [estimate(world=8, zero=stage).total for stage in (1, 2, 3)]
    assert totals == sorted(totals, reverse=True)
    assert estimate(world=8, zero=3, offload=True).total < totals[-1]


def test_what_is_offloaded_is_in_the_memory_of_the_cpu() -> None:
    on_card = estimate(world=8, zero=3).device
    offloaded = estimate(world=8, zero=3, offload=True).offloaded
    assert {name: on_card[name] for name in ("weights", "gradients", "states")} == offloaded


@pytest.mark.parametrize(
    ("shipped", "zero", "offload"),
    [
        ("zero0", 0, False),
        ("zero1", 1, False),
        ("zero2", 2, False),
        ("zero2_offload", 2, True),
        ("zero3", 3, False),
        ("zero3_offload", 3, True),
    ],
)
def test_a_json_of_ones_own_counts_as_what_it_says(
    shipped: str, zero: int, offload: bool, tmp_path: Path
) -> None:
    own = tmp_path / "own.json"
    own.write_bytes((assets_dir() / "deepspeed" / f"{shipped}.json").read_bytes())
    assert estimate(world=8, deepspeed=own) == estimate(world=8, zero=zero, offload=offload)


def test_a_json_may_offload_the_weights_alone(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text('{"zero_optimization": {"stage": 3, "offload_param": {"device": "nvme"}}}')
    assert set(estimate(world=8, deepspeed=own).offloaded) == {"weights"}


def test_the_smallest_card() -> None:
    assert smallest_card(7 * 10**9) == 8
    assert smallest_card(8 * 10**9) == 12
    assert smallest_card(10**12) is None


def test_it_is_near_what_was_measured() -> None:
    """SmolLM2-135M in full, bf16, one packed row of 512 tokens, on a CPU: a peak of 3569 MiB."""
    run = replace(config(max_length=512), batch_size=1)
    found = estimate_memory(run, REFERENCE_SHAPES["135M"], device="cpu").total
    assert found == pytest.approx(3569 * (1 << 20), rel=0.3)
