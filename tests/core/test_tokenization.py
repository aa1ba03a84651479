# SPDX-License-Identifier: Apache-2.0
"""Segments to ids and labels: control ids from control segments alone, labels that line up."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.metaspace_tokenizer import metaspace_tokenizer
from tests.tiny import tiny_tokenizer
from yuren_core.chatml import (
    CONTROL_TOKENS,
    IM_END,
    IM_START,
    IMG_END,
    IMG_PATCH,
    IMG_START,
    PAD,
    chat_template,
    render,
)
from yuren_core.errors import ContextLengthError, ModelFormatError, NoVisionTowerError
from yuren_core.messages import ImagePart, Message, Role, TextPart
from yuren_core.model.tokenization import IGNORE_INDEX, ChatTokenizer, Encoded
from yuren_core.prompt import PromptItem, prompt_items

PATCHES = 5
PICTURE = ImagePart("/pictures/cat.png", "0" * 64)


def make_tokenizer(*, image_tokens: int = PATCHES) -> ChatTokenizer:
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"extra_special_tokens": [*CONTROL_TOKENS], "pad_token": PAD})
    return ChatTokenizer(tokenizer, image_tokens=image_tokens)


TOKENIZER = make_tokenizer()


def conversation(*texts: str, system: str = "") -> list[Message]:
    messages = [Message.of(Role.SYSTEM, system)] if system else []
    for index, text in enumerate(texts):
        messages.append(Message.of(Role.ASSISTANT if index % 2 else Role.USER, text))
    return messages


def encode(messages: list[Message]) -> Encoded:
    return TOKENIZER.encode(render(messages))


# Text that is out to become a control token: whole ones, halves, doubled, in other clothes.
_PIECES = [*CONTROL_TOKENS, PAD, "<|endoftext|>", "<|", "|>", "im_start", "im_end", "<", "|", ">"]
hostile_text = st.lists(
    st.one_of(
        st.sampled_from(_PIECES),
        st.sampled_from(["\n", " ", "user\n", "assistant\n", "\u200b", "\ufeff", "＜｜im_end｜＞"]),
        st.text(max_size=8),
        st.characters(categories=["Cs"]),
    ),
    max_size=12,
).map("".join)


@settings(max_examples=10_000, deadline=None)
@given(
    system=hostile_text,
    user=hostile_text,
    assistant=hostile_text,
    file_name=hostile_text,
)
def test_no_text_ever_makes_a_control_id(
    system: str, user: str, assistant: str, file_name: str
) -> None:
    messages = [
        Message.of(Role.SYSTEM, system),
        Message.of(Role.USER, user, [ImagePart(file_name, "0" * 64)]),
        Message.of(Role.ASSISTANT, assistant),
        Message.of(Role.USER, file_name),
    ]
    ids = encode(messages).input_ids
    counts = {token: ids.count(TOKENIZER.control_id(token)) for token in (*CONTROL_TOKENS, PAD)}
    assert counts == {
        IM_START: 4,
        IM_END: 4,
        IMG_START: 1,
        IMG_END: 1,
        IMG_PATCH: PATCHES,
        PAD: 0,
    }
    endoftext = TOKENIZER.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    assert endoftext not in ids


@settings(max_examples=300, deadline=None)
@given(text=st.text())
def test_text_comes_back_whole(text: str) -> None:
    ids = TOKENIZER.encode_text(text)
    assert TOKENIZER.tokenizer.decode(ids) == text.encode("utf-8", "replace").decode()


plain_text = st.text(max_size=40).filter(lambda text: "<|" not in text)


@settings(max_examples=500, deadline=None)
@given(texts=st.lists(plain_text, min_size=1, max_size=5), system=plain_text, opened=st.booleans())
def test_ids_equal_the_saved_chat_template(texts: list[str], system: str, opened: bool) -> None:
    messages = conversation(*texts, system=system)
    opened = opened and messages[-1].role is Role.USER
    tokenizer = TOKENIZER.tokenizer
    tokenizer.chat_template = chat_template(PATCHES)
    theirs = tokenizer.apply_chat_template(
        [{"role": m.role.value, "content": m.text} for m in messages],
        tokenize=False,
        add_generation_prompt=opened,
    )
    ids = tokenizer(theirs, add_special_tokens=False)["input_ids"]
    assert list(TOKENIZER.encode(render(messages, generate=opened)).input_ids) == ids


@pytest.mark.parametrize("prefix", ["first", "each"])
def test_ids_equal_the_saved_chat_template_of_a_metaspace_tokenizer(
    prefix: Literal["first", "each"],
) -> None:
    ours = metaspace_tokenizer(prefix, image_tokens=PATCHES)
    messages = conversation("what is this?", "Paris is", " a city\n", "你好", system="The user")
    ours.tokenizer.chat_template = chat_template(PATCHES)
    theirs = ours.tokenizer.apply_chat_template(
        [{"role": m.role.value, "content": m.text} for m in messages],
        tokenize=False,
        add_generation_prompt=False,
    )
    ids = ours.tokenizer(theirs, add_special_tokens=False)["input_ids"]
    assert list(ours.encode(render(messages)).input_ids) == ids


def test_ids_equal_the_saved_chat_template_with_pictures() -> None:
    message = Message(Role.USER, (TextPart("before "), PICTURE, TextPart("这是什么？"), PICTURE))
    tokenizer = TOKENIZER.tokenizer
    tokenizer.chat_template = chat_template(PATCHES)
    theirs = tokenizer.apply_chat_template(
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "before "},
                    {"type": "image"},
                    {"type": "text", "text": "这是什么？"},
                    {"type": "image_url", "image_url": {"url": "x"}},
                ],
            }
        ],
        tokenize=False,
        add_generation_prompt=True,
    )
    ids = tokenizer(theirs, add_special_tokens=False)["input_ids"]
    assert list(TOKENIZER.encode(render([message], generate=True)).input_ids) == ids


@settings(max_examples=300, deadline=None)
@given(user=st.text(max_size=20), answer=st.text(max_size=40))
def test_labels_are_the_answer_and_its_end(user: str, answer: str) -> None:
    encoded = encode(conversation(user, answer))
    assert len(encoded.labels) == len(encoded.input_ids)
    learned = [i for i, label in enumerate(encoded.labels) if label != IGNORE_INDEX]
    assert all(encoded.labels[i] == encoded.input_ids[i] for i in learned)
    assert encoded.labels[learned[-1]] == TOKENIZER.control_id(IM_END)
    assert learned == list(range(learned[0], learned[-1] + 1))
    text = TOKENIZER.tokenizer.decode([encoded.input_ids[i] for i in learned[:-1]])
    clean = answer.encode("utf-8", "replace").decode()
    assert clean.endswith(text)
    if not clean[:1].isspace():  # leading white space may merge with the header's newline
        assert text == clean


def test_only_the_assistant_is_learned() -> None:
    encoded = encode(conversation("question", "answer", "more", "again", system="be brief"))
    ends = [i for i, t in enumerate(encoded.input_ids) if t == TOKENIZER.control_id(IM_END)]
    assert len(ends) == 5
    assert [encoded.labels[i] != IGNORE_INDEX for i in ends] == [False, False, True, False, True]
    learned = [t for t in encoded.labels if t != IGNORE_INDEX]
    assert TOKENIZER.tokenizer.decode(learned) == "answer<|im_end|>again<|im_end|>"


def prompt_text(messages: list[Message], budget: int) -> tuple[str, int]:
    fitted = TOKENIZER.encode_prompt(prompt_items(messages), budget=budget)
    assert len(fitted.encoded.input_ids) <= budget
    return TOKENIZER.tokenizer.decode(fitted.encoded.input_ids), fitted.dropped_turns


def test_a_prompt_that_fits_is_whole() -> None:
    text, dropped = prompt_text(conversation("one", "two", "three", system="sys"), 1000)
    assert dropped == 0
    assert text == (
        "<|im_start|>system\nsys<|im_end|>\n<|im_start|>user\none<|im_end|>\n"
        "<|im_start|>assistant\ntwo<|im_end|>\n<|im_start|>user\nthree<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@settings(max_examples=200, deadline=None)
@given(
    texts=st.lists(st.text(alphabet="abc 猫", min_size=1, max_size=30), min_size=1, max_size=9),
    budget=st.integers(20, 300),
)
def test_truncation_keeps_system_prompt_and_whole_newest_turns(
    texts: list[str], budget: int
) -> None:
    if len(texts) % 2 == 0:
        texts = texts[:-1]
    messages = conversation(*texts, system="stay")
    newest = len(TOKENIZER.encode(render([messages[0], messages[-1]], generate=True)).input_ids)
    if newest > budget:
        with pytest.raises(ContextLengthError):
            prompt_text(messages, budget)
        return
    text, dropped = prompt_text(messages, budget)
    kept = [messages[0], *messages[1 + 2 * dropped :]]
    expected = TOKENIZER.encode(render(kept, generate=True)).input_ids
    assert text == TOKENIZER.tokenizer.decode(expected)
    if dropped:  # one turn more would not have fitted
        more = [messages[0], *messages[1 + 2 * (dropped - 1) :]]
        assert len(TOKENIZER.encode(render(more, generate=True)).input_ids) > budget


def test_a_picture_goes_with_its_turn_or_stays_whole() -> None:
    messages = [
        Message.of(Role.USER, "first", [PICTURE]),
        Message.of(Role.ASSISTANT, "a cat"),
        Message.of(Role.USER, "second", [ImagePart("/b.png", "1" * 64)]),
    ]
    whole = len(TOKENIZER.encode_prompt(prompt_items(messages), budget=1000).encoded.input_ids)
    fitted = TOKENIZER.encode_prompt(prompt_items(messages), budget=whole - 1)
    assert fitted.dropped_turns == 1
    assert [image.path for image in fitted.encoded.images] == ["/b.png"]
    assert fitted.encoded.input_ids.count(TOKENIZER.control_id(IMG_PATCH)) == PATCHES


def test_an_open_answer_is_continued() -> None:
    text, _ = prompt_text(conversation("hi", "Hello, my na"), 1000)
    assert text.endswith("<|im_start|>assistant\nHello, my na")


def test_a_long_prompt_names_its_numbers() -> None:
    with pytest.raises(ContextLengthError, match=r"\d{3,} tokens .* only 50 fit"):
        prompt_text(conversation("word " * 500), 50)


def test_a_blind_model_refuses_pictures() -> None:
    blind = make_tokenizer(image_tokens=0)
    with pytest.raises(NoVisionTowerError):
        blind.encode(render([Message.of(Role.USER, "x", [PICTURE])]))


def test_a_tokenizer_without_control_tokens_is_refused() -> None:
    with pytest.raises(ModelFormatError, match=r"<\|img_start\|> <\|img_end\|> <\|img_patch\|>"):
        ChatTokenizer(tiny_tokenizer(), image_tokens=4)


def test_examples_go_first_and_pinned_turns_stay() -> None:
    def item(role: Role, text: str, **where: object) -> PromptItem:
        return PromptItem(Message.of(role, text), **where)  # type: ignore[arg-type]

    prompt = [
        item(Role.SYSTEM, "the rules", kind="system"),
        item(Role.USER, "example one", kind="examples", block=0),
        item(Role.ASSISTANT, "example one", kind="examples", block=0),
        item(Role.USER, "example two", kind="examples", block=1),
        item(Role.USER, "remember the number", index=0, is_pinned=True),
        item(Role.ASSISTANT, "I do", index=1),
        item(Role.USER, "old", index=2),
        item(Role.ASSISTANT, "older", index=3),
        item(Role.SYSTEM, "lore", kind="lore"),
        item(Role.USER, "newest", index=4),
        item(Role.SYSTEM, "stay in character", kind="instructions"),
    ]
    whole = TOKENIZER.fit(prompt, budget=10_000)
    assert whole.dropped == ()
    order = []
    budget, before = whole.prompt_tokens - 1, set[int]()
    while (fit := TOKENIZER.fit(prompt, budget=budget)).fits:
        order.append(tuple(sorted(set(fit.dropped) - before)))
        budget, before = fit.prompt_tokens - 1, set(fit.dropped)
        assert fit.prompt_tokens == whole.prompt_tokens - sum(fit.tokens[i] for i in fit.dropped)
    assert order == [(1, 2), (3,), (6, 7)]
    fitted = TOKENIZER.encode_prompt(prompt, budget=fit.prompt_tokens)
    assert fitted.dropped_turns == 1
    text = TOKENIZER.tokenizer.decode(fitted.encoded.input_ids)
    assert [word in text for word in ("rules", "example", "number", "old", "lore", "stay")] == [
        *(True, False, True, False, True, True)
    ]
