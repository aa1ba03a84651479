# SPDX-License-Identifier: Apache-2.0
"""Operations of a token, and the peaks of chips."""

from __future__ import annotations

import pytest

from tests.train.training.run_events import config
from yuren_train.config.model_shape import REFERENCE_SHAPES
from yuren_train.training.compute import estimated_seconds, flops_per_token, peak_flops

SEVEN = REFERENCE_SHAPES["7B"]


def test_a_token_takes_six_operations_a_parameter_and_its_attention() -> None:
    flops = flops_per_token(config(), SEVEN, 0)
    embedding = SEVEN.vocab_size * SEVEN.hidden_size  # is looked up, not multiplied
    assert flops == pytest.approx(6 * (SEVEN.parameters - embedding), rel=0.001)
    assert flops_per_token(config(), SEVEN, 4096) > flops


def test_a_frozen_base_takes_two_thirds_and_checkpointing_a_third_more() -> None:
    full = flops_per_token(config(), SEVEN, 0)
    assert flops_per_token(config(method="lora"), SEVEN, 0) == pytest.approx(full * 2 / 3)
    twice = flops_per_token(config(gradient_checkpointing=True), SEVEN, 0, learned=0)
    assert twice == pytest.approx(flops_per_token(config(), SEVEN, 0, learned=0) * 4 / 3)


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA A10", 125),
        ("NVIDIA A10G", 70),
        ("NVIDIA L40S", 362),
    ],
)
def test_chips_by_the_names_they_give_themselves(name: str, tflops: float) -> None:
    assert peak_flops(name) == tflops * 1e12


def test_an_unknown_chip_has_no_estimate_of_time() -> None:
    assert estimated_seconds(config(), SEVEN, tokens=1, world=1, device_name="Nothing") is None
