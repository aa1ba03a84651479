# SPDX-License-Identifier: Apache-2.0
"""The one ChatML renderer, used by training and by chat alike.

    <|im_start|>system\\n{text}<|im_end|>\\n
    <|im_start|>user\\n{text and pictures}<|im_end|>\\n
    <|im_start|>assistant\\n{text}<|im_end|>\\n

No BOS, no EOS between turns. What is learned is the assistant's text and its `<|im_end|>`.
Rendering gives segments, not a string: a control token is a segment of its own, so text that
merely looks like one stays text. `yuren_core.model.tokenization` turns segments into ids.

A model of others may have been trained on ChatML with habits of its own; a `ChatMLStyle` says
them as data, and ours has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yuren_core.messages import ImagePart, Message, Part, Role, TextPart

IM_START = "<|im_start|>"
IM_END = "<|im_end|>"
IMG_START = "<|img_start|>"
IMG_END = "<|img_end|>"
IMG_PATCH = "<|img_patch|>"
PAD = "<|pad|>"

CONTROL_TOKENS = (IM_START, IM_END, IMG_START, IMG_END, IMG_PATCH)
"""The control tokens that a base must have, in the order in which new ids are given."""


@dataclass(frozen=True, slots=True)
class ChatMLStyle:
    """The habits of a model's training.

    Attributes:
        after_answer: a token that follows each `<|im_end|>` of the assistant's; "" for none.
        pictures_last: pictures stand behind a message's text, each on a line of its own.
    """

    after_answer: str = ""
    pictures_last: bool = False


PLAIN = ChatMLStyle()
"""What this trainer teaches."""


@dataclass(frozen=True, slots=True)
class TextSegment:
    """Ordinary text.

    Attributes:
        text: as it is.
        trainable: the assistant's own words.
        opens: nothing stands before it in the whole prompt, but for what a tokenizer adds.
    """

    text: str
    trainable: bool = False
    opens: bool = False


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


def render_message(
    message: Message, *, closed: bool = True, style: ChatMLStyle = PLAIN
) -> list[Segment]:
    """Segments of one message.

    Args:
        message: who and what.
        closed: False leaves out `<|im_end|>\\n`, so that the model goes on writing.
        style: the habits of the model's training.

    Returns:
        The segments, in order.
    """
    learn = message.role is Role.ASSISTANT
    segments: list[Segment] = [ControlSegment(IM_START), TextSegment(f"{message.role.value}\n")]
    for part in _in_style(message, style):
        match part:
            case TextPart(text):
                segments.append(TextSegment(text, trainable=learn))
            case ImagePart():
                segments.append(ImageSegment(part))
    if closed:
        segments.append(ControlSegment(IM_END, trainable=learn))
        if learn and style.after_answer:
            segments.append(ControlSegment(style.after_answer, trainable=True))
        segments.append(TextSegment("\n"))
    return segments


def _in_style(message: Message, style: ChatMLStyle) -> Sequence[Part]:
    """The parts of a message in the order in which the model knows them."""
    if not (style.pictures_last and message.images):
        return message.parts
    parts: list[Part] = [TextPart(message.text)] if message.text else []
    for image in message.images:
        parts += [TextPart("\n"), image] if parts else [image]
    return parts


def generation_prompt() -> list[Segment]:
    """The open assistant turn that a reply is written into."""
    return [ControlSegment(IM_START), TextSegment(f"{Role.ASSISTANT.value}\n")]


def render(
    messages: Sequence[Message], *, generate: bool = False, style: ChatMLStyle = PLAIN
) -> list[Segment]:
    """Segments of a whole conversation.

    Args:
        messages: the conversation, oldest first.
        generate: leave an assistant turn open at the end. Where the last message is already
            the assistant's, that one is left open and is continued.
        style: the habits of the model's training.

    Returns:
        The segments, in order.
    """
    if generate:
        parts = render_parts(messages, style=style)
    else:
        parts = [render_message(message, style=style) for message in messages]
    return [segment for part in parts for segment in part]


def render_parts(messages: Sequence[Message], *, style: ChatMLStyle = PLAIN) -> list[list[Segment]]:
    """Segments of each message, in order, and last of all those that open the answer.

    A last message of the assistant's is left open instead, and nothing comes after it.
    """
    resume = bool(messages) and messages[-1].role is Role.ASSISTANT
    last = len(messages) - 1
    parts = [
        render_message(message, closed=not (resume and place == last), style=style)
        for place, message in enumerate(messages)
    ]
    return [*parts, [] if resume else generation_prompt()]


def chat_template(image_tokens: int = 0, style: ChatMLStyle = PLAIN) -> str:
    """The Jinja template saved beside the tokenizer; renders what `render` renders.

    Args:
        image_tokens: patches of one picture (P); 0 for a model that cannot see.
        style: the habits of the model's training.

    Returns:
        A template for `messages` whose content is a string or a list of
        `{"type": "text" | "image"}` parts.
    """
    picture = IMG_START + IMG_PATCH * image_tokens + IMG_END if image_tokens else ""
    parts = (
        "{%- for part in message['content'] -%}"
        "{%- if part['type'] == 'text' -%}{{- part['text'] -}}"
        f"{{%- elif part['type'] in ('image', 'image_url') -%}}{{{{- '{picture}' -}}}}"
        "{%- endif -%}"
        "{%- endfor -%}"
    )
    if style.pictures_last:
        parts = (
            "{%- set ns = namespace(some=false) -%}"
            "{%- for part in message['content'] -%}"
            "{%- if part['type'] == 'text' and part['text'] -%}"
            "{%- set ns.some = true -%}{{- part['text'] -}}"
            "{%- endif -%}"
            "{%- endfor -%}"
            "{%- for part in message['content'] -%}"
            "{%- if part['type'] in ('image', 'image_url') -%}"
            f"{{{{- ('\\n' if ns.some else '') + '{picture}' -}}}}{{%- set ns.some = true -%}}"
            "{%- endif -%}"
            "{%- endfor -%}"
        )
    end = f"{{{{- '{IM_END}\\n' -}}}}"
    if style.after_answer:
        end = (
            f"{{{{- '{IM_END}' -}}}}"
            f"{{%- if message['role'] == 'assistant' -%}}{{{{- '{style.after_answer}' -}}}}"
            "{%- endif -%}"
            "{{- '\\n' -}}"
        )
    return (
        "{%- for message in messages -%}"
        f"{{{{- '{IM_START}' + message['role'] + '\\n' -}}}}"
        "{%- if message['content'] is string -%}"
        "{{- message['content'] -}}"
        "{%- else -%}"
        f"{parts}"
        "{%- endif -%}"
        f"{end}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}"
        f"{{{{- '{IM_START}assistant\\n' -}}}}"
        "{%- endif -%}"
    )
