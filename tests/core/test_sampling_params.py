# SPDX-License-Identifier: Apache-2.0
"""Values that cannot be are refused where they are made, by name."""

from __future__ import annotations

import math
from typing import Any

import pytest

from yuren_core.errors import UsageError
from yuren_core.sampling_params import SamplingParams

REFUSED: list[tuple[str, Any]] = [
    ("temperature", -0.1),
    ("temperature", 2.1),
    ("temperature", math.nan),
    ("temperature", math.inf),
    ("top_p", 0.0),
    ("top_p", 1.1),
    ("top_p", math.nan),
    ("top_k", -1),
    ("min_p", -0.1),
    ("min_p", 1.0),
    ("repetition_penalty", 0.0),
    ("repetition_penalty", 2.5),
    ("repetition_penalty", math.nan),
    ("seed", -1),
    ("seed", 2**63),
    ("max_new_tokens", 0),
    ("stop", ("END", "")),
]
ACCEPTED: list[tuple[str, Any]] = [
    ("temperature", 0.0),
    ("temperature", 2.0),
    ("top_p", 1.0),
    ("top_k", 0),
    ("min_p", 0.0),
    ("repetition_penalty", 1.0),
    ("seed", None),
    ("seed", 0),
    ("seed", 2**63 - 1),
    ("max_new_tokens", 1),
    ("stop", ()),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_value_out_of_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=name) as caught:
        SamplingParams(**{name: value})
    assert repr(value) in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_the_edges_of_a_range_are_accepted(name: str, value: Any) -> None:
    assert getattr(SamplingParams(**{name: value}), name) == value
