# SPDX-License-Identifier: Apache-2.0
"""Every setting of an answer acts: each test fails where its setting is ignored."""

from __future__ import annotations

import pytest

from tests.core.asking import answer, user
from yuren_core.inference.engine import Engine
from yuren_core.model.loading import LoadedModel
from yuren_core.protocol import Completed
from yuren_core.sampling_params import SamplingParams


def sample(loaded: LoadedModel, **settings: object) -> str:
    values = {"temperature": 1.0, "top_p": 1.0, "repetition_penalty": 1.0, "seed": 7, **settings}
    params = SamplingParams(**{"max_new_tokens": 24, **values})  # type: ignore[arg-type]
    return answer(Engine(loaded), [user("Tell me.")], params)[0]


def test_seed_decides(text: LoadedModel) -> None:
    assert sample(text, seed=1) == sample(text, seed=1)
    assert len({sample(text, seed=seed) for seed in range(5)}) == 5
    assert sample(text, seed=None) != sample(text, seed=None)


def test_temperature_zero_is_greedy_and_others_are_not(text: LoadedModel) -> None:
    greedy = answer(Engine(text), [user("Tell me.")])[0]
    assert sample(text, temperature=0, seed=1) == sample(text, temperature=0, seed=2) == greedy
    assert sample(text, temperature=1.0) != greedy
    assert sample(text, temperature=0.5) != sample(text, temperature=2.0)


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 0.999}])
def test_a_filter_at_its_narrowest_is_greedy(text: LoadedModel, narrow: dict[str, float]) -> None:
    greedy = answer(Engine(text), [user("Tell me.")])[0]
    assert sample(text, temperature=1.5, **narrow) == greedy
    assert sample(text, temperature=1.5) != greedy


def test_repetition_penalty_acts(text: LoadedModel) -> None:
    plain = answer(Engine(text), [user("Tell me.")])[0]
    params = SamplingParams(temperature=0, repetition_penalty=1.8, max_new_tokens=24)
    assert answer(Engine(text), [user("Tell me.")], params)[0] != plain


def test_max_new_tokens_ends_the_answer(text: LoadedModel) -> None:
    params = SamplingParams(temperature=0, repetition_penalty=1, max_new_tokens=5)
    short, _, end = answer(Engine(text), [user("Tell me.")], params)
    assert isinstance(end, Completed)
    assert (end.finish_reason, end.completion_tokens) == ("length", 5)
    assert answer(Engine(text), [user("Tell me.")])[0].startswith(short)


def test_a_stop_string_ends_the_answer_before_it(text: LoadedModel) -> None:
    whole = answer(Engine(text), [user("Tell me.")])[0]
    stop = whole[6:9]
    params = SamplingParams(
        temperature=0, repetition_penalty=1, max_new_tokens=24, stop=(stop, "never there")
    )
    ours, _, end = answer(Engine(text), [user("Tell me.")], params)
    assert ours == whole[: whole.index(stop)]
    assert isinstance(end, Completed)
    assert end.finish_reason == "stop"


def test_control_tokens_and_padding_rows_are_never_drawn(multimodal: LoadedModel) -> None:
    engine = Engine(multimodal)
    tokenizer = multimodal.tokenizer
    drawable = {i for i in range(engine.loaded.model.config.vocab_size) if not engine._forbidden[i]}
    assert max(drawable) < len(tokenizer.tokenizer)
    assert drawable & tokenizer.control_ids == tokenizer.stop_ids & tokenizer.control_ids
