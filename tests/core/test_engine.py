# SPDX-License-Identifier: Apache-2.0
"""Decoding: equal to transformers', equal with and without cache, whole characters, no overrun."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.core.asking import GREEDY, answer, user
from yuren_core.chatml import IM_END, render
from yuren_core.errors import ContextLengthError, NoVisionTowerError
from yuren_core.inference.engine import Engine
from yuren_core.inference.sampling import Sampler
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.model.loading import LoadedModel, load_model
from yuren_core.prompt import prompt_items
from yuren_core.protocol import Cancelled, Completed, Delta, LoadMode, Prompt
from yuren_core.sampling_params import SamplingParams


def test_greedy_text_equals_transformers_generate(text: LoadedModel) -> None:
    messages = [user("What is the capital of France?")]
    ids = text.tokenizer.encode(render(messages, generate=True)).input_ids
    ruled_out = text.tokenizer.control_ids - text.tokenizer.stop_ids
    theirs = text.model.generate(
        torch.tensor([ids]),
        max_new_tokens=24,
        do_sample=False,
        suppress_tokens=[
            *ruled_out,
            *range(len(text.tokenizer.tokenizer), text.model.config.vocab_size),
        ],
        eos_token_id=sorted(text.tokenizer.stop_ids),
    )[0, len(ids) :]
    expected = text.tokenizer.tokenizer.decode(theirs, skip_special_tokens=True)
    ours, _, end = answer(Engine(text), messages)
    assert ours == expected.rstrip("\ufffd")
    assert end.completion_tokens == len(theirs)


def test_a_second_turn_is_cached_and_equal_to_uncached(text: LoadedModel) -> None:
    engine = Engine(text)
    first = [user("Tell me of the capital of France. " * 5)]
    reply, prompt, _ = answer(engine, first)
    assert prompt.cached_tokens == 0
    second = [*first, Message.of(Role.ASSISTANT, reply), user("And?")]
    cached, prompt, _ = answer(engine, second)
    assert prompt.cached_tokens > 0.5 * prompt.prompt_tokens
    uncached, fresh, _ = answer(Engine(text), second)
    assert fresh.cached_tokens == 0
    assert cached == uncached


def test_an_edited_history_reuses_only_what_is_shared(text: LoadedModel) -> None:
    engine = Engine(text)
    answer(engine, [user("The capital of France is a city of some size.")])
    edited = [user("The capital of Spain is a city of some size.")]
    ours, prompt, _ = answer(engine, edited)
    assert 0 < prompt.cached_tokens < 20
    assert ours == answer(Engine(text), edited)[0]
    again, prompt, _ = answer(engine, edited)
    assert prompt.cached_tokens == prompt.prompt_tokens - 1
    assert again == ours


def test_pictures_are_seen_and_told_apart(
    multimodal: LoadedModel, pictures: list[ImagePart]
) -> None:
    answers = {answer(Engine(multimodal), [user("What?", picture)])[0] for picture in pictures}
    assert len(answers) == len(pictures)


def test_pictures_of_earlier_turns_are_cached_and_still_seen(
    multimodal: LoadedModel, pictures: list[ImagePart]
) -> None:
    engine = Engine(multimodal)
    first = [user("What?", *pictures[:2])]
    reply, prompt, _ = answer(engine, first)
    assert prompt.prompt_tokens > 2 * multimodal.image_cost
    second = [*first, Message.of(Role.ASSISTANT, reply), user("And this?", pictures[2])]
    cached, prompt, _ = answer(engine, second)
    assert prompt.cached_tokens > 2 * multimodal.image_cost
    assert cached == answer(Engine(multimodal), second)[0]
    swapped = [user("What?", pictures[2], pictures[1]), *second[1:]]
    other, prompt, _ = answer(engine, swapped)
    assert prompt.cached_tokens < multimodal.image_cost  # another picture is another prefix
    assert other == answer(Engine(multimodal), swapped)[0]
    assert other != cached


def test_a_picture_goes_through_the_tower_once(
    multimodal: LoadedModel, pictures: list[ImagePart], monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = multimodal.vision_tower
    assert tower is not None
    seen: list[int] = []
    original = tower.forward

    def forward(pixel_values: torch.Tensor) -> torch.Tensor:
        seen.append(pixel_values.shape[0])
        return original(pixel_values)

    monkeypatch.setattr(tower, "forward", forward)
    engine = Engine(multimodal)
    for question in ("one", "two", "three"):
        answer(engine, [Message.of(Role.SYSTEM, question), user("x", pictures[0])])
    assert seen == [1]


def test_a_long_prompt_in_chunks_equals_one_pass(
    text: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [user("many words in a long prompt " * 8)]
    whole = answer(Engine(text), messages)[0]
    monkeypatch.setattr("yuren_core.inference.engine.PREFILL_CHUNK", 7)
    assert answer(Engine(text), messages)[0] == whole


def test_a_cancel_takes_effect_within_one_token(text: LoadedModel) -> None:
    engine = Engine(text)
    asked = 0

    def is_cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 6

    events = list(engine.generate(prompt_items([user("go")]), GREEDY, is_cancelled=is_cancelled))
    end = events[-1]
    assert isinstance(end, Cancelled)
    assert end.completion_tokens <= 6
    partial = "".join(event.text for event in events if isinstance(event, Delta))
    follow = [user("go"), Message.of(Role.ASSISTANT, partial), user("and?")]
    assert answer(engine, follow)[0] == answer(Engine(text), follow)[0]


@pytest.mark.parametrize("chunks", [0, 1, 2])
@pytest.mark.parametrize("is_second_turn", [False, True])
def test_a_cancel_in_the_prompt_leaves_a_sound_cache(
    text: LoadedModel, monkeypatch: pytest.MonkeyPatch, chunks: int, is_second_turn: bool
) -> None:
    monkeypatch.setattr("yuren_core.inference.engine.PREFILL_CHUNK", 8)
    engine = Engine(text)
    messages = [user("a prompt of several chunks, stopped in the middle " * 3)]
    if is_second_turn:
        messages = [user("a turn before it"), _said(answer(engine, [user("a turn before it")])[0])]
        messages.append(user("a prompt of several chunks, stopped in the middle " * 3))
    calls = iter([False] * chunks)
    events = list(
        engine.generate(prompt_items(messages), GREEDY, is_cancelled=lambda: next(calls, True))
    )
    assert isinstance(events[-1], Cancelled)
    assert events[-1].completion_tokens == 0
    ours, prompt, _ = answer(engine, messages)
    assert (prompt.cached_tokens > 0) == is_second_turn
    assert ours == answer(Engine(text), messages)[0]


def test_an_answer_dropped_half_way_leaves_a_sound_cache(text: LoadedModel) -> None:
    engine = Engine(text)
    messages = [user("go on")]
    stream = engine.generate(prompt_items(messages), GREEDY)
    for _ in range(4):
        next(stream)
    stream.close()
    assert answer(engine, messages)[0] == answer(Engine(text), messages)[0]


def test_text_streams_without_broken_characters(
    text: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "羽人你好 🦙👩‍👧！"
    ids = iter([*text.tokenizer.encode_text(said), text.tokenizer.control_id(IM_END)])
    monkeypatch.setattr(Sampler, "next_token", lambda *_: next(ids))
    events = list(Engine(text).generate(prompt_items([user("请说中文")]), GREEDY))
    pieces = [event.text for event in events if isinstance(event, Delta)]
    assert "".join(pieces) == said
    assert not any("\ufffd" in piece for piece in pieces)
    assert isinstance(events[-1], Completed)
    assert len(pieces) < events[-1].completion_tokens - 1  # nothing came inside a character


@pytest.mark.parametrize("mode", ["bf16", "8bit", "4bit"])
def test_pictures_are_answered_and_cached_in_every_precision(
    multimodal_model: Path, pictures: list[ImagePart], mode: LoadMode
) -> None:
    loaded = load_model(str(multimodal_model), load=mode, device="cpu")
    engine, short = Engine(loaded), replace(GREEDY, max_new_tokens=6)
    first = [user("What?", *pictures[:2])]
    reply, prompt, _ = answer(engine, first, short)
    second = [*first, _said(reply), user("And this?", pictures[2])]
    _, follow, end = answer(engine, second, short)
    assert follow.cached_tokens > 2 * loaded.image_cost
    assert follow.prompt_tokens > prompt.prompt_tokens + loaded.image_cost
    assert isinstance(end, Completed)
    answers = {answer(Engine(loaded), [user("What?", p)], short)[0] for p in pictures}
    assert len(answers) == len(pictures)


# ---------------------------------------------------------------- the context


def test_the_context_ends_an_answer(text: LoadedModel) -> None:
    params = SamplingParams(temperature=0, repetition_penalty=1, max_new_tokens=10_000)
    fill = len(text.tokenizer.encode(render([user("")], generate=True)).input_ids)
    room = text.context_length - text.context_length // 4 - fill
    words = text.tokenizer.tokenizer.decode(text.tokenizer.encode_text("word " * 600)[: room - 2])
    _, prompt, end = answer(Engine(text), [user(words)], params)
    assert isinstance(end, Completed)
    assert prompt.prompt_tokens + end.completion_tokens <= text.context_length


def test_old_turns_are_dropped_and_counted(text: LoadedModel) -> None:
    messages: list[Message] = []
    for number in range(12):
        messages += [user(f"question {number} " * 6), Message.of(Role.ASSISTANT, "yes " * 10)]
    messages.append(user("last"))
    _, prompt, _ = answer(Engine(text), messages)
    assert prompt.dropped_turns > 0
    assert prompt.prompt_tokens <= text.context_length - GREEDY.max_new_tokens


def test_a_prompt_longer_than_the_context_is_refused(text: LoadedModel) -> None:
    engine = Engine(text)
    with pytest.raises(ContextLengthError):
        answer(engine, [user("word " * 2000)])
    assert answer(engine, [user("short")])[0] == answer(Engine(text), [user("short")])[0]


def test_a_blind_model_refuses_pictures(text: LoadedModel, pictures: list[ImagePart]) -> None:
    with pytest.raises(NoVisionTowerError):
        answer(Engine(text), [user("What?", pictures[0])])


def test_a_count_says_what_generation_will_find(
    multimodal: LoadedModel, pictures: list[ImagePart]
) -> None:
    engine = Engine(multimodal)
    prompt = prompt_items(
        [
            Message.of(Role.SYSTEM, "be brief"),
            *(message for _ in range(8) for message in (user("word " * 20), _said("yes " * 20))),
            user("What?", pictures[0]),
        ]
    )
    counted = engine.count(prompt, GREEDY)
    found = next(engine.generate(prompt, GREEDY))
    assert isinstance(found, Prompt)
    assert counted.fits
    assert counted.prompt_tokens == found.prompt_tokens
    assert len(counted.dropped) == 2 * found.dropped_turns > 0
    assert counted.image_tokens[-1] == multimodal.image_cost
    assert counted.answer_tokens == GREEDY.max_new_tokens
    assert not engine.count(prompt_items([user("word " * 2000)]), GREEDY).fits


def _said(text: str) -> Message:
    return Message.of(Role.ASSISTANT, text)
