# SPDX-License-Identifier: Apache-2.0
"""Labels line up with the assistant's words; truncation loses ends, and invents none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.train.data.rows import PATCHES, conversation, conversations, make_tokenizer
from yuren_core.chatml import IM_END, IMG_END, IMG_PATCH, IMG_START, render
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.model.tokenization import IGNORE_INDEX
from yuren_train.data.truncation import Fitted, fit_conversation

TOKENIZER = make_tokenizer()
END = TOKENIZER.control_id(IM_END)
PICTURE = ImagePart("/a.png", "0" * 64)


def fit(messages: list[Message], max_length: int = 100_000) -> Fitted:
    return fit_conversation(messages, tokenizer=TOKENIZER, max_length=max_length)


def decode(ids: list[int]) -> str:
    return str(TOKENIZER.tokenizer.decode(ids, skip_special_tokens=False))


def learned_runs(fitted: Fitted) -> list[list[int]]:
    runs: list[list[int]] = [[]]
    for token, learned in zip(fitted.input_ids.tolist(), fitted.learned, strict=True):
        if learned:
            runs[-1].append(token)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


@given(conversations)
def test_what_is_learned_is_the_answers_and_their_ends(messages: list[Message]) -> None:
    fitted = fit(messages)
    encoded = TOKENIZER.encode(render(messages))
    assert fitted.input_ids.tolist() == list(encoded.input_ids)
    assert [
        token if learned else IGNORE_INDEX
        for token, learned in zip(encoded.input_ids, fitted.learned, strict=True)
    ] == list(encoded.labels)
    answers = [message.text for message in messages if message.role is Role.ASSISTANT]
    runs = learned_runs(fitted)
    assert len(runs) == len(answers)
    for run, answer in zip(runs, answers, strict=True):
        assert run[-1] == END
        assert run.count(END) == 1
        words = decode(run[:-1])
        # A line break at the start may share a token with the header, which is given.
        assert answer.endswith(words)
        assert not answer[: len(answer) - len(words)].strip("\n")
    assert not fitted.is_cut
    assert fitted.uncut == len(fitted.input_ids)


@given(conversations, st.data())
def test_truncation_keeps_the_beginning_in_whole_exchanges(
    messages: list[Message], data: st.DataObject
) -> None:
    whole = fit(messages)
    length = data.draw(st.integers(1, whole.uncut))
    fitted = fit(messages, length)
    kept = len(fitted.input_ids)
    assert kept <= length
    assert fitted.uncut == whole.uncut
    start = 1 if messages[0].role is Role.SYSTEM else 0
    exchanges = [messages[: end + 1] for end in range(start + 1, len(messages), 2)]
    ends = [len(TOKENIZER.encode(render(exchange)).input_ids) for exchange in exchanges]
    fitting = [end for end in ends if end <= length]
    assert fitted.is_cut == (len(fitting) < len(ends))
    assert (kept == fitting[-1]) if fitting else (kept <= length)
    if fitting or not has_lost_its_middle(fitted, whole):
        # What stays is the beginning of the whole: nothing is invented.
        assert fitted.input_ids.tolist() == whole.input_ids[:kept].tolist()
        assert fitted.learned.tolist() == whole.learned[:kept].tolist()


def has_lost_its_middle(fitted: Fitted, whole: Fitted) -> bool:
    kept = len(fitted.input_ids)
    return fitted.input_ids.tolist() != whole.input_ids[:kept].tolist()


def test_an_answer_that_is_cut_has_no_end_to_learn() -> None:
    messages = conversation("q", "one two three four five", "q2", "short", system="s")
    whole = fit(messages)
    cut = fit(messages, whole.input_ids.tolist().index(END, 20) - 2)
    assert cut.learned[-1]
    assert cut.input_ids[-1] != END
    assert cut.is_cut


LONG = "Translate this: " + "one two three four five six " * 40 + "into Chinese, please."


@pytest.mark.parametrize("length", [64, 100, 200])
@pytest.mark.parametrize("system", ["", "Be brief."])
def test_a_question_that_fills_the_length_loses_its_middle(length: int, system: str) -> None:
    fitted = fit(conversation(LONG, "好的，没问题", "and then?", "done", system=system), length)
    text = decode(fitted.input_ids.tolist())
    assert fitted.is_cut
    assert len(fitted.input_ids) <= length
    if system:
        assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n")
    question = text.split("user\n")[1].split("<|im_end|>")[0]
    assert LONG.startswith(question[:8])
    assert LONG.endswith(question[-8:])
    assert "and then?" not in text
    (learned,) = learned_runs(fitted)
    assert "好的，没问题".startswith(decode(learned).removesuffix(IM_END).rstrip("\ufffd"))
    assert len(learned) >= min(
        length // 8, len(learned_runs(fit(conversation("", "好的，没问题")))[0])
    )


def test_a_short_answer_to_a_long_question_is_learned_whole_and_a_long_one_by_an_eighth() -> None:
    assert fit(conversation(LONG, "yes"), 160).input_ids.tolist().count(END) == 2
    fitted = fit(conversation(LONG, "one two three " * 100), 160)
    assert 20 <= fitted.learned.sum() < 40
    assert fitted.input_ids.tolist().count(END) == 1


def test_a_question_is_whole_while_an_eighth_is_left_for_the_answer() -> None:
    messages = conversation("What is it? " * 5, "one two three " * 100)
    whole = fit(messages)
    asked = int(whole.learned.argmax())
    length = asked + asked // 7 + 1
    assert fit(messages, length).input_ids.tolist() == whole.input_ids[:length].tolist()


def test_nothing_is_learned_where_a_system_prompt_fills_the_length() -> None:
    fitted = fit(conversation("q" * 200, "a", system="s" * 200), 50)
    assert not fitted.learned.any()


def test_questions_behind_the_last_answer_are_left_out() -> None:
    messages = conversation("q", "a", "unanswered")
    fitted = fit(messages)
    assert fitted.input_ids.tolist() == list(TOKENIZER.encode(render(messages[:2])).input_ids)
    assert not fitted.is_cut
    assert fitted.uncut > len(fitted.input_ids)


def test_turns_of_one_speaker_in_a_row_belong_to_one_exchange() -> None:
    messages = [
        Message.of(role, text)
        for role, text in [
            (Role.USER, "a"),
            (Role.USER, "b"),
            (Role.ASSISTANT, "c"),
            (Role.ASSISTANT, "d"),
            (Role.USER, "e"),
            (Role.ASSISTANT, "f" * 50),
        ]
    ]
    first = len(TOKENIZER.encode(render(messages[:4])).input_ids)
    assert len(fit(messages, first + 10).input_ids) == first
    assert len(learned_runs(fit(messages))) == 3


@pytest.mark.parametrize("length", range(1, 60))
def test_a_picture_that_something_is_learned_from_is_whole(length: int) -> None:
    picture = Message(Role.USER, (PICTURE, *Message.of(Role.USER, "what?").parts))
    messages = [picture, *conversation("", "a cat")[1:], picture, *conversation("", "a dog")[1:]]
    fitted = fit(messages, length)
    if fitted.learned.any():
        ids = fitted.input_ids.tolist()
        pictures = len(fitted.images)
        assert ids.count(TOKENIZER.control_id(IMG_PATCH)) == PATCHES * pictures
        assert ids.count(TOKENIZER.control_id(IMG_START)) == pictures
        assert ids.count(TOKENIZER.control_id(IMG_END)) == pictures
