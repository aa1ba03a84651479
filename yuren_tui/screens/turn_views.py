# SPDX-License-Identifier: Apache-2.0
"""What the transcript shows of a session's turns, and what can be done to each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_tui.sanitize import sanitize_line
from yuren_tui.session import Turn
from yuren_tui.widgets.turn_view import Act, Ending, TurnView

_FENCES = ("```", "~~~")


def turn_view(
    turn: Turn,
    *,
    user_name: str = "",
    model_name: str = "",
    picture_cost: int | None = None,
    picture_names: Mapping[str, str] = MappingProxyType({}),
    edited: Collection[int] = (),
    is_answering: bool = False,
    is_answer: bool = True,
    avatar: str = "",
) -> TurnView:
    """One turn as the transcript shows it.

    Args:
        turn: of the session's path.
        user_name: what the person is called; empty for "You".
        model_name: who answers where the turn does not say.
        picture_cost: tokens of one picture; None where it is not known.
        picture_names: what pictures' files were called, by hash.
        edited: ids of turns whose editing has begun and not ended.
        is_answering: an answer is being written, so that the path must not change.
        is_answer: False for what was said before the person said anything, such as a greeting.
        avatar: a picture of who speaks, to stand above the words; empty for none.
    """
    is_user = turn.role is Role.USER
    name = (user_name or tr("chat.you")) if is_user else (turn.speaker or turn.model or model_name)
    return TurnView(
        turn.id,
        is_user,
        sanitize_line(name, limit=40) or tr("chat.assistant"),
        turn.text,
        turn.images,
        tuple(picture_names.get(image.sha256, "") for image in turn.images),
        picture_cost,
        None if turn.status == "writing" else _ENDINGS[turn.status],
        turn.sibling_index,
        turn.sibling_count,
        turn.is_pinned,
        turn.id in edited,
        acts_of(turn, is_answering=is_answering, is_answer=is_answer),
        avatar,
    )


_ENDINGS: dict[str, Ending] = {
    "done": "done",
    "length": "length",
    "stopped": "stopped",
    "failed": "failed",
}


def acts_of(turn: Turn, *, is_answering: bool = False, is_answer: bool = True) -> frozenset[Act]:
    """What can be done to a turn now."""
    acts: set[Act] = {"menu", "copy", "quote"}
    if any(fence in turn.text for fence in _FENCES):
        acts.add("code")
    if is_answering:
        return frozenset(acts)
    acts |= {"edit", "pin", "delete"}
    if is_answer:
        acts.add("retry")
    if turn.role is Role.USER:
        acts.add("resend")
    elif turn.text and is_answer:
        acts.add("continue")
    if turn.sibling_index > 1:
        acts.add("previous")
    if turn.sibling_index < turn.sibling_count:
        acts.add("next")
    return frozenset(acts)
