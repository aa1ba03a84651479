# SPDX-License-Identifier: Apache-2.0
"""A conversation to ids of a length: what goes when it is too long, and what never does.

The system prompt stays, and whole exchanges leave from the end, since training keeps the
beginning of a conversation. Of the first exchange alone only the answer can be cut, and then
its end is not learned: no `<|im_end|>` is ever put where none was. A question is never cut, and
so no picture is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yuren_core.chatml import render_message
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.model.tokenization import IGNORE_INDEX, ChatTokenizer, Encoded


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A conversation's ids within a length.

    Attributes:
        input_ids: (T,) int32.
        learned: (T,) bool, where the label is the id itself; nowhere, if nothing can be learned.
        images: pictures whose patches are among the ids.
        uncut: tokens of the whole conversation.
        is_cut: whether learned tokens were lost.
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
    kept = encoded[: fitting[-1] if fitting else answered[0]]
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


def _joined(
    parts: Sequence[Encoded], max_length: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    ids = np.array([i for part in parts for i in part.input_ids][:max_length], np.int32)
    labels = np.array([i for part in parts for i in part.labels][:max_length], np.int64)
    return ids, labels != IGNORE_INDEX
