# SPDX-License-Identifier: Apache-2.0
"""How a model is told a conversation: ChatML as we render it, or the model's own template.

A format turns messages into segments, and `ChatTokenizer` turns segments into ids; so whatever
the format is, text of people never becomes a control token. Training knows ChatML alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from yuren_core.chatml import (
    CONTROL_TOKENS,
    IM_END,
    IMG_END,
    IMG_PATCH,
    IMG_START,
    PAD,
    PLAIN,
    ChatMLStyle,
    Segment,
    render_parts,
)
from yuren_core.messages import Message


class PromptFormat(ABC):
    """What a tokenizer asks of a format.

    Attributes:
        picture: the tokens before, for and after the patches of a picture; "" for none. The
            middle one stands once for each patch.
    """

    picture: tuple[str, str, str]

    @abstractmethod
    def needed(self, *, sees: bool) -> tuple[str, ...]:
        """Tokens that the vocabulary must have."""

    @abstractmethod
    def control_tokens(self) -> tuple[str, ...]:
        """Tokens that a model never writes, apart from those that end its answer."""

    @abstractmethod
    def stop_tokens(self) -> tuple[str, ...]:
        """Tokens that end an answer, beside the tokenizer's own eos."""

    @abstractmethod
    def render(self, messages: Sequence[Message]) -> list[list[Segment]]:
        """Segments of each message, in order, and last of all those that open the answer.

        A last message of the assistant's is left open instead, and nothing comes after it.
        """


class ChatML(PromptFormat):
    """ChatML, in the style that the model was trained in."""

    picture = (IMG_START, IMG_PATCH, IMG_END)

    def __init__(self, style: ChatMLStyle = PLAIN) -> None:
        self.style = style

    def needed(self, *, sees: bool) -> tuple[str, ...]:
        """The brackets of messages, and those of pictures."""
        tokens = CONTROL_TOKENS if sees else CONTROL_TOKENS[:2]
        return (*tokens, self.style.after_answer) if self.style.after_answer else tokens

    def control_tokens(self) -> tuple[str, ...]:
        """All of ours, the padding too."""
        return (*CONTROL_TOKENS, PAD)

    def stop_tokens(self) -> tuple[str, ...]:
        """`<|im_end|>`."""
        return (IM_END,)

    def render(self, messages: Sequence[Message]) -> list[list[Segment]]:
        """As `PromptFormat.render` says."""
        return render_parts(messages, style=self.style)
