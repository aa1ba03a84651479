# SPDX-License-Identifier: Apache-2.0
"""What a model is told, item by item, and what may be left out when the context is full.

A front end puts the items in order; the model process, which knows the tokens, fits them to the
context: example dialogue goes first, block by block, then the oldest turns of the history.
Everything else stays, as does a pinned turn and the newest one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from yuren_core.messages import Message, Role

PromptKind = Literal["system", "lore", "examples", "history", "instructions"]


@dataclass(frozen=True, slots=True)
class PromptItem:
    """One message of a prompt, and where it comes from.

    Attributes:
        message: what the model is told.
        kind: what it is.
        index: of history, its place in the history; None for the rest.
        block: of examples, the block it belongs to, from 0: a block goes as a whole.
        is_pinned: of history, its turn stays in the context.
    """

    message: Message
    kind: PromptKind = "history"
    index: int | None = None
    block: int | None = None
    is_pinned: bool = False


def prompt_items(messages: Iterable[Message]) -> tuple[PromptItem, ...]:
    """A plain conversation: what the system says first stays, the rest is history."""
    items: list[PromptItem] = []
    history = 0
    for message in messages:
        if message.role is Role.SYSTEM and not history:
            items.append(PromptItem(message, "system"))
        else:
            items.append(PromptItem(message, "history", history))
            history += 1
    return tuple(items)


def droppable_units(items: Iterable[PromptItem]) -> list[tuple[int, ...]]:
    """What may be left out, in the order in which it goes.

    A unit is a block of examples, or a turn: a user's message with the answers after it. The
    newest turn is none, nor is a turn of which one message is pinned.

    Returns:
        Places in `items`, one tuple for each unit.
    """
    blocks: dict[int | None, list[int]] = {}
    turns: list[list[tuple[int, PromptItem]]] = []
    for place, item in enumerate(items):
        if item.kind == "examples":
            blocks.setdefault(item.block, []).append(place)
        elif item.kind == "history":
            if item.message.role is Role.USER or not turns:
                turns.append([])
            turns[-1].append((place, item))
    loose = [turn for turn in turns[:-1] if not any(item.is_pinned for _, item in turn)]
    return [
        *(tuple(places) for places in blocks.values()),
        *(tuple(place for place, _ in turn) for turn in loose),
    ]
