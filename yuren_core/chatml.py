# SPDX-License-Identifier: Apache-2.0
"""The one ChatML renderer, used by training and by chat alike.

    <|im_start|>system\\n{text}<|im_end|>\\n
    <|im_start|>user\\n{text and pictures}<|im_end|>\\n
    <|im_start|>assistant\\n{text}<|im_end|>\\n

No BOS, no EOS between turns. What is learned is the assistant's text and its `<|im_end|>`.
Rendering gives segments, not a string: a control token is a segment of its own, so text that
merely looks like one stays text. `yuren_core.model.tokenization` turns segments into ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yuren_core.messages import ImagePart, Message, Role, TextPart

IM_START = "<|im_start|>"
IM_END = "<|im_end|>"
IMG_START = "<|img_start|>"
IMG_END = "<|img_end|>"
IMG_PATCH = "<|img_patch|>"
PAD = "<|pad|>"

CONTROL_TOKENS = (IM_START, IM_END, IMG_START, IMG_END, IMG_PATCH)
"""The control tokens that a base must have, in the order in which new ids are given."""


@dataclass(frozen=True, slots=True)
class TextSegment:
    """Ordinary text. `trainable`: the assistant's own words."""

    text: str
    trainable: bool = False


@dataclass(frozen=True, slots=True)
class ControlSegment:
    """One control token, by its string."""

    token: str
    trainable: bool = False


@dataclass(frozen=True, slots=True)
class ImageSegment:
    """One picture: `<|img_start|>`, P patches, `<|img_end|>`; never trainable, never cut."""

    image: ImagePart


Segment = TextSegment | ControlSegment | ImageSegment


def render_message(message: Message, *, closed: bool = True) -> list[Segment]:
    """Segments of one message.

    Args:
        message: who and what.
        closed: False leaves out `<|im_end|>\\n`, so that the model goes on writing.

    Returns:
        The segments, in order.
    """
    learn = message.role is Role.ASSISTANT
    segments: list[Segment] = [ControlSegment(IM_START), TextSegment(f"{message.role.value}\n")]
    for part in message.parts:
        match part:
            case TextPart(text):
                segments.append(TextSegment(text, trainable=learn))
            case ImagePart():
                segments.append(ImageSegment(part))
    if closed:
        segments += [ControlSegment(IM_END, trainable=learn), TextSegment("\n")]
    return segments


def generation_prompt() -> list[Segment]:
    """The open assistant turn that a reply is written into."""
    return [ControlSegment(IM_START), TextSegment(f"{Role.ASSISTANT.value}\n")]


def render(messages: Sequence[Message], *, generate: bool = False) -> list[Segment]:
    """Segments of a whole conversation.

    Args:
        messages: the conversation, oldest first.
        generate: leave an assistant turn open at the end. Where the last message is already
            the assistant's, that one is left open and is continued.

    Returns:
        The segments, in order.
    """
    resume = generate and bool(messages) and messages[-1].role is Role.ASSISTANT
    segments: list[Segment] = []
    for index, message in enumerate(messages):
        is_open = resume and index == len(messages) - 1
        segments += render_message(message, closed=not is_open)
    if generate and not resume:
        segments += generation_prompt()
    return segments


def chat_template(image_tokens: int = 0) -> str:
    """The Jinja template saved beside the tokenizer; renders what `render` renders.

    Args:
        image_tokens: patches of one picture (P); 0 for a model that cannot see.

    Returns:
        A template for `messages` whose content is a string or a list of
        `{"type": "text" | "image"}` parts.
    """
    picture = IMG_START + IMG_PATCH * image_tokens + IMG_END if image_tokens else ""
    return (
        "{%- for message in messages -%}"
        f"{{{{- '{IM_START}' + message['role'] + '\\n' -}}}}"
        "{%- if message['content'] is string -%}"
        "{{- message['content'] -}}"
        "{%- else -%}"
        "{%- for part in message['content'] -%}"
        "{%- if part['type'] == 'text' -%}{{- part['text'] -}}"
        f"{{%- elif part['type'] in ('image', 'image_url') -%}}{{{{- '{picture}' -}}}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- endif -%}"
        f"{{{{- '{IM_END}\\n' -}}}}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}"
        f"{{{{- '{IM_START}assistant\\n' -}}}}"
        "{%- endif -%}"
    )
