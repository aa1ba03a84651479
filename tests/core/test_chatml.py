# SPDX-License-Identifier: Apache-2.0
"""What is rendered, what is learned, and that text never becomes control."""

from __future__ import annotations

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuren_core.chatml import (
    CONTROL_TOKENS,
    IM_END,
    IM_START,
    IMG_END,
    IMG_PATCH,
    IMG_START,
    PAD,
    ControlSegment,
    ImageSegment,
    Segment,
    TextSegment,
    chat_template,
    generation_prompt,
    render,
    render_message,
)
from yuren_core.messages import ImagePart, Message, Part, Role, TextPart

CAT = ImagePart("/tmp/cat.png", "ab" * 32)
DOG = ImagePart("/tmp/dog.png", "cd" * 32)
SYSTEM = Message.of(Role.SYSTEM, "Be brief.")
QUESTION = Message.of(Role.USER, "Hello")
ANSWER = Message.of(Role.ASSISTANT, "Hi!")

NASTY = st.sampled_from([*CONTROL_TOKENS, PAD, "</s>", "<s>", "system\n", "\n", "\0", "\u2028"])
TEXT = st.lists(NASTY | st.text(max_size=8), max_size=6).map("".join)
PARTS: st.SearchStrategy[Part] = st.builds(TextPart, TEXT) | st.builds(ImagePart, TEXT, TEXT)
MESSAGES = st.builds(Message, st.sampled_from(Role), st.lists(PARTS, max_size=4).map(tuple))
CONVERSATIONS = st.lists(MESSAGES, max_size=5)


def written(segments: list[Segment], picture: str = "[picture]") -> str:
    """Segments as the string that they stand for."""
    text = ""
    for segment in segments:
        match segment:
            case TextSegment(words, _) | ControlSegment(words, _):
                text += words
            case ImageSegment():
                text += picture
    return text


def test_a_conversation_is_chatml() -> None:
    assert written(render([SYSTEM, QUESTION, ANSWER])) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHello<|im_end|>\n"
        "<|im_start|>assistant\nHi!<|im_end|>\n"
    )


def test_nothing_renders_as_nothing() -> None:
    assert render([]) == []


def test_what_is_learned_is_the_assistant_s_text_and_its_end() -> None:
    learned = [s for s in render([SYSTEM, QUESTION, ANSWER]) if getattr(s, "trainable", False)]
    assert learned == [TextSegment("Hi!", trainable=True), ControlSegment(IM_END, trainable=True)]


def test_pictures_stand_where_they_were_put_and_are_never_learned() -> None:
    message = Message(Role.ASSISTANT, (TextPart("a"), CAT, DOG, TextPart("b")))
    segments = render_message(message)
    assert segments[2:6] == [
        TextSegment("a", trainable=True),
        ImageSegment(CAT),
        ImageSegment(DOG),
        TextSegment("b", trainable=True),
    ]


def test_an_open_message_lacks_its_end_only() -> None:
    closed = render_message(ANSWER)
    assert render_message(ANSWER, closed=False) == closed[:-2]
    assert closed[-2:] == [ControlSegment(IM_END, trainable=True), TextSegment("\n")]


def test_a_question_leaves_an_assistant_s_turn_open() -> None:
    segments = render([QUESTION], generate=True)
    assert segments == [*render([QUESTION]), *generation_prompt()]
    assert written(generation_prompt()) == "<|im_start|>assistant\n"


def test_an_answer_at_the_end_is_continued() -> None:
    segments = render([QUESTION, ANSWER], generate=True)
    assert written(segments).endswith("<|im_start|>assistant\nHi!")
    assert written(segments).count("<|im_start|>assistant") == 1


@given(CONVERSATIONS, st.booleans())
def test_control_segments_come_from_structure_alone(
    messages: list[Message], generate: bool
) -> None:
    controls = [s for s in render(messages, generate=generate) if isinstance(s, ControlSegment)]
    continues = generate and bool(messages) and messages[-1].role is Role.ASSISTANT
    starts = len(messages) + (generate and not continues)
    assert sum(control.token == IM_START for control in controls) == starts
    assert sum(control.token == IM_END for control in controls) == len(messages) - continues
    assert {control.token for control in controls} <= {IM_START, IM_END}


@given(CONVERSATIONS)
def test_every_part_is_there_in_order_as_it_was(messages: list[Message]) -> None:
    segments = render(messages)
    for message in messages:
        whole = render_message(message)
        assert segments[: len(whole)] == whole
        segments = segments[len(whole) :]
        inner: list[Part] = []
        for segment in whole[2:-2]:
            assert not isinstance(segment, ControlSegment)
            match segment:
                case TextSegment(text, trainable):
                    assert trainable is (message.role is Role.ASSISTANT)
                    inner.append(TextPart(text))
                case ImageSegment(image):
                    inner.append(image)
        assert tuple(inner) == message.parts
    assert segments == []


@given(CONVERSATIONS)
def test_only_the_assistant_is_learned(messages: list[Message]) -> None:
    others = [message for message in messages if message.role is not Role.ASSISTANT]
    assert not any(getattr(segment, "trainable", False) for segment in render(others))


@pytest.mark.parametrize("patches", [0, 3])
@pytest.mark.parametrize("generate", [False, True])
@given(messages=CONVERSATIONS)
def test_the_chat_template_writes_what_render_renders(
    messages: list[Message], generate: bool, patches: int
) -> None:
    if generate and messages and messages[-1].role is Role.ASSISTANT:
        messages = [*messages, QUESTION]  # a template cannot continue
    picture = IMG_START + IMG_PATCH * patches + IMG_END if patches else ""
    plain = [
        {
            "role": message.role.value,
            "content": [
                {"type": "text", "text": part.text}
                if isinstance(part, TextPart)
                else {"type": "image"}
                for part in message.parts
            ],
        }
        for message in messages
    ]
    template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, autoescape=False)
    said = template.from_string(chat_template(patches)).render(
        messages=plain, add_generation_prompt=generate
    )
    assert said == written(render(messages, generate=generate), picture)


def test_the_chat_template_takes_content_as_a_string_too() -> None:
    said = jinja2.Template(chat_template()).render(
        messages=[{"role": "user", "content": "Hello"}], add_generation_prompt=True
    )
    assert said == written(render([QUESTION], generate=True))


def test_a_message_has_pictures_first_and_no_empty_text_beside_them() -> None:
    assert Message.of(Role.USER, "x", [CAT]).parts == (CAT, TextPart("x"))
    assert Message.of(Role.USER, "", [CAT]).parts == (CAT,)
    assert Message.of(Role.USER, "").parts == (TextPart(""),)
    mixed = Message(Role.USER, (TextPart("a"), CAT, TextPart("b"), DOG))
    assert (mixed.text, mixed.images) == ("ab", (CAT, DOG))
