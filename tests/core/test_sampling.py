# SPDX-License-Identifier: Apache-2.0
"""Sampling against its definitions; stop strings against a plain search."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from yuren_core.errors import ModelError
from yuren_core.inference.sampling import Sampler, StopStrings, forbidden_tokens
from yuren_core.sampling_params import SamplingParams

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0, 5.0, 1.5])
FORBIDDEN = forbidden_tokens(6, tokens=6, ruled_out=[4])


def frequencies(draws: int = 4000, **settings: object) -> list[float]:
    values = {"temperature": 1.0, "top_p": 1.0, "repetition_penalty": 1.0, "seed": 3, **settings}
    sampler = Sampler(
        SamplingParams(**values),  # type: ignore[arg-type]
        forbidden=FORBIDDEN,
        prompt_ids=[0],
    )
    counts = torch.zeros(6)
    for _ in range(draws):
        counts[sampler.next_token(LOGITS)] += 1
    return (counts / draws).tolist()


def expected(logits: torch.Tensor, keep: list[int]) -> list[float]:
    masked = torch.full_like(logits, -torch.inf)
    masked[keep] = logits[keep]
    return masked.softmax(-1).tolist()


@pytest.mark.parametrize(
    ("settings", "scale", "keep"),
    [
        ({}, 1.0, [0, 1, 2, 3, 5]),
        ({"temperature": 0.5}, 2.0, [0, 1, 2, 3, 5]),
        ({"top_k": 2}, 1.0, [0, 5]),
        ({"top_p": 0.6}, 1.0, [0, 5]),
        ({"min_p": 0.3}, 1.0, [0, 1, 5]),
    ],
)
def test_draws_follow_the_distribution(
    settings: dict[str, float], scale: float, keep: list[int]
) -> None:
    assert frequencies(**settings) == pytest.approx(expected(LOGITS * scale, keep), abs=0.03)


def test_a_forbidden_token_is_never_drawn_even_if_likeliest() -> None:
    assert frequencies(500)[4] == 0
    greedy = Sampler(SamplingParams(temperature=0), forbidden=FORBIDDEN, prompt_ids=[1])
    assert greedy.next_token(LOGITS) == 0


def test_repetition_penalty_counts_prompt_and_answer() -> None:
    params = SamplingParams(temperature=0, repetition_penalty=1.5)
    sampler = Sampler(params, forbidden=FORBIDDEN, prompt_ids=[0])
    drawn = [sampler.next_token(LOGITS) for _ in range(3)]
    assert drawn == [5, 0, 0]  # 2.0/1.5 < 1.5; then 1.5/1.5 < 2.0/1.5


def test_not_a_number_is_an_error() -> None:
    for temperature in (0.0, 1.0):
        params = SamplingParams(temperature=temperature)
        sampler = Sampler(params, forbidden=FORBIDDEN, prompt_ids=[0])
        with pytest.raises(ModelError, match="no numbers"):
            sampler.next_token(torch.full((6,), torch.nan))


@given(
    text=st.text(alphabet="abAB\n", max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=8),
    stops=st.lists(st.text(alphabet="abAB\n", min_size=1, max_size=4), max_size=3),
)
def test_stop_strings_equal_a_search_in_the_whole(
    text: str, cuts: list[int], stops: list[str]
) -> None:
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    matcher = StopStrings(stops)
    shown = ""
    for start, end in itertools.pairwise(edges):
        shown += matcher.feed(text[start:end])
        if matcher.is_reached:
            break
    shown += matcher.flush()
    if not places:
        assert shown == text
    else:
        assert matcher.is_reached
        assert not any(stop in shown for stop in stops)
        assert text.startswith(shown)
