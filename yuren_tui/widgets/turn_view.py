# SPDX-License-Identifier: Apache-2.0
"""What a message's widget shows, as a value, and what can be done to a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from yuren_core.messages import ImagePart

Ending = Literal["done", "length", "stopped", "failed"]

Act = Literal[
    "menu",
    "resend",
    "edit",
    "retry",
    "continue",
    "previous",
    "next",
    "copy",
    "code",
    "quote",
    "pin",
    "delete",
    "undo",
]
"""What a person may want of a message; "undo" is of the whole transcript."""


@dataclass(frozen=True, slots=True)
class TurnView:
    """One message.

    Attributes:
        id: names it for good; two views of one id are the same message, changed.
        is_user: whether the person said it.
        name: who speaks, safe to show.
        text: as it was written, not yet safe to show.
        pictures: in order.
        picture_names: what their files are called, as far as it is known.
        picture_cost: tokens of one picture; None where it is not known.
        ending: how an answer ended; None while it is being written.
        index: 1 for the first of the alternatives at this place.
        count: how many alternatives there are.
        is_pinned: stays in the context.
        has_edit: somebody has begun to edit it, and has not finished.
        acts: what can be done to it now.
        avatar: the file of a picture of who speaks, to stand above the words; empty for none.
    """

    id: int
    is_user: bool
    name: str
    text: str
    pictures: tuple[ImagePart, ...] = ()
    picture_names: tuple[str, ...] = ()
    picture_cost: int | None = None
    ending: Ending | None = "done"
    index: int = 1
    count: int = 1
    is_pinned: bool = False
    has_edit: bool = False
    acts: frozenset[Act] = frozenset()
    avatar: str = ""
