# SPDX-License-Identifier: Apache-2.0
"""A conversation to ids of a length: what goes when it is too long, and what never does.

The system prompt stays, and whole exchanges leave from the end, since training keeps the
beginning of a conversation. Of the first exchange alone the answer is cut, and then its end is
not learned: no `<|im_end|>` is ever put where none was. A question that leaves no room for an
eighth of the length (or for the whole answer, where that is shorter) loses the middle of its
text: what is asked stands at one of its ends, before or behind what it is about. It too keeps an
eighth. A picture is never cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from yuren_core.chatml import render_message
from yuren_core.messages import ImagePart, Message, Role, TextPart
from yuren_core.model.tokenization import IGNORE_INDEX, ChatTokenizer, Encoded

_SHARE = 8  # of the length, one part is the least that question and answer have


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A conversation's ids within a length.

    Attributes:
        input_ids: (T,) int32.
        learned: (T,) bool, where the label is the id itself; nowhere, if nothing can be learned.
        images: pictures whose patches are among the ids.
        uncut: tokens of the whole conversation.
        is_cut: whether something that is learned was lost, or a part of a question.
    """

    input_ids: NDArray[np.int32]
    learned: NDArray[np.bool_]
    images: tuple[ImagePart, ...]
    uncut: int
    is_cut: bool


def fit_conversation(
    messages: Sequence[Message], *, tokenizer: ChatTokenizer, max_length: int
) -> Fitted:
    """Encode a conversation and cut it to a length.

    Questions behind the last answer that stays are left out: nothing is learned from them.

    Args:
        messages: a system prompt or none, then questions and answers.
        tokenizer: of the model.
        max_length: tokens that may stay.

    Raises:
        NoVisionTowerError: a picture, and the model cannot see.
    """
    encoded = [tokenizer.encode(render_message(message)) for message in messages]
    sizes = np.cumsum([len(part.input_ids) for part in encoded])
    answered = _ends_of_exchanges(messages)
    fitting = [end for end in answered if sizes[end - 1] <= max_length]
    if fitting:
        kept = encoded[: fitting[-1]]
    else:
        first = slice(answered[0])
        kept = _with_room(messages[first], encoded[first], tokenizer, max_length)
    input_ids, learned = _joined(kept, max_length)
    return Fitted(
        input_ids=input_ids,
        learned=learned,
        images=tuple(image for part in kept for image in part.images),
        uncut=int(sizes[-1]),
        is_cut=len(fitting) < len(answered),
    )


def _ends_of_exchanges(messages: Sequence[Message]) -> list[int]:
    """How many messages there are up to and with each run of answers, the shortest first."""
    roles = [message.role for message in messages]
    return [
        place
        for place in range(1, len(roles) + 1)
        if roles[place - 1] is Role.ASSISTANT
        and (place == len(roles) or roles[place] is not Role.ASSISTANT)
    ]


def _with_room(
    messages: Sequence[Message],
    encoded: list[Encoded],
    tokenizer: ChatTokenizer,
    max_length: int,
) -> list[Encoded]:
    """One exchange with its longest question cut, where an answer would have too little room."""
    answer = [message.role for message in messages].index(Role.ASSISTANT)
    share = max(1, max_length // _SHARE)
    is_learned = [label != IGNORE_INDEX for label in encoded[answer].labels]
    needed = is_learned.index(True) + min(share, sum(is_learned))  # its header, and some of it
    over = sum(len(part.input_ids) for part in encoded[:answer]) + needed - max_length
    questions = [place for place in range(answer) if messages[place].role is Role.USER]
    longest = max(questions, key=lambda place: len(encoded[place].input_ids))
    room = len(encoded[longest].input_ids) - over
    if over <= 0 or room < share:
        return encoded
    cut = _without_middle(messages[longest], tokenizer, room)
    return encoded if cut is None else [*encoded[:longest], cut, *encoded[longest + 1 :]]


def _without_middle(message: Message, tokenizer: ChatTokenizer, room: int) -> Encoded | None:
    """A message in `room` tokens or fewer, by what its longest text loses; None: it cannot be."""
    texts = [part for part in message.parts if isinstance(part, TextPart)]
    longest = max(texts, key=lambda part: len(part.text), default=TextPart(""))
    at, text = message.parts.index(longest) if texts else 0, longest.text
    left = len(text)
    while left > 0:
        ends = replace(longest, text=text[: left - left // 2] + text[len(text) - left // 2 :])
        parts = (*message.parts[:at], ends, *message.parts[at + 1 :])
        encoded = tokenizer.encode(render_message(Message(message.role, parts)))
        size = len(encoded.input_ids)
        if size <= room:
            return encoded
        left -= max(1, (size - room) * left // size)
    return None


def _joined(
    parts: Sequence[Encoded], max_length: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    ids = np.array([i for part in parts for i in part.input_ids][:max_length], np.int32)
    labels = np.array([i for part in parts for i in part.labels][:max_length], np.int64)
    return ids, labels != IGNORE_INDEX
