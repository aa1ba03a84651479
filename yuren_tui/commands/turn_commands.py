# SPDX-License-Identifier: Apache-2.0
"""Commands about messages: answer again, say otherwise, write on, alternatives, pins, copies.

A message is named by `#` and its place in the conversation, as `/show` tells it; without one,
the newest that the command can mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_tui.commands.host import CommandHost
from yuren_tui.session import Session, Turn

_NAMED = re.compile(r"[#＃](\d{1,6})(?:\s+(.*))?", re.DOTALL)


def turn_named(session: Session, argument: str) -> tuple[Turn | None, str]:
    """The message that an argument names first, and the rest of the argument.

    Raises:
        UsageError: there is no message of that number.
    """
    named = _NAMED.fullmatch(argument)
    if named is None:
        return None, argument
    place = int(named[1])
    if not 1 <= place <= len(session.turns):
        raise UsageError(tr("commands.no_turn", number=place), tr("commands.see_show"))
    return session.turns[place - 1], (named[2] or "").strip()


def conversation_text(session: Session) -> str:
    """The conversation with its numbers, branches and pins, as lines."""
    lines = []
    for place, turn in enumerate(session.turns, 1):
        name = turn.speaker or tr(f"commands.role_{turn.role.value}")
        marks = [counter(turn)] if turn.sibling_count > 1 else []
        marks += [tr("commands.is_pinned")] if turn.is_pinned else []
        marks += [tr("commands.pictures", count=len(turn.images))] if turn.images else []
        lines.append(f"#{place} {' '.join([name, *marks])}\n{turn.text}")
    return "\n\n".join(lines)


def counter(turn: Turn) -> str:
    """Which of how many alternatives a message is: "(2/3)"."""
    return f"({turn.sibling_index}/{turn.sibling_count})"


async def _show(host: CommandHost, _: str) -> None:
    host.show(conversation_text(host.session) or tr("commands.empty_chat"))


async def _retry(host: CommandHost, argument: str) -> None:
    turn = _meant(host.session, argument, lambda turn: True)
    place = host.session.turns.index(turn)
    if all(before.role is not Role.USER for before in host.session.turns[: place + 1]):
        raise UsageError(tr("commands.no_question"))
    await host.show_answer(host.session.retry(turn.id))


async def _edit(host: CommandHost, argument: str) -> None:
    session = host.session
    session.require_rest()
    turn, text = turn_named(session, argument)
    turn = turn or _newest(session, lambda turn: turn.role is Role.USER)
    if not text:
        host.begin_edit(turn)
    elif turn.role is Role.USER:
        await host.show_answer(session.edit(turn.id, text))
    else:
        place = session.turns.index(turn)
        session.chat.edit_in_place(turn.id, text)
        await host.show_branch(session.turns[place])


async def _resume(host: CommandHost, argument: str) -> None:
    turn = _meant(host.session, argument, lambda turn: turn.role is Role.ASSISTANT)
    if turn.role is not Role.ASSISTANT:
        raise UsageError(tr("commands.no_answer"))
    await host.show_answer(host.session.resume(turn.id))


async def _swipe(host: CommandHost, argument: str) -> None:
    session = host.session
    session.require_rest()
    turn, direction = turn_named(session, argument)
    offset = {"": 1, "+": 1, ">": 1, "＋": 1, "-": -1, "<": -1, "－": -1}.get(direction)
    if offset is None:
        raise UsageError(tr("commands.no_direction", text=direction))
    turn = turn or _newest(session, lambda turn: turn.sibling_count > 1)
    place = session.turns.index(turn)
    session.chat.step(turn.id, offset)
    await host.show_branch(session.turns[place])


async def _pin(host: CommandHost, argument: str) -> None:
    session = host.session
    turn = _meant(session, argument, lambda turn: True)
    pinned = not turn.is_pinned
    session.chat.pin(turn.id, pinned=pinned)
    number = session.turns.index(turn) + 1
    host.say(tr("commands.pinned" if pinned else "commands.unpinned", number=number))
    host.refresh(turn)


async def _copy(host: CommandHost, argument: str) -> None:
    session = host.session
    turn, what = turn_named(session, argument)
    turn = turn or _newest(session, lambda turn: turn.role is Role.ASSISTANT)
    if what not in ("", "code"):
        raise UsageError(tr("commands.no_part", text=what))
    text = turn.text
    if what == "code":
        from yuren_tui.code_blocks import code_blocks

        blocks = code_blocks(text)
        if not blocks:
            raise UsageError(tr("commands.no_code"))
        text = blocks[-1].code
    await host.copy(text)


HANDLERS = {
    "show": _show,
    "retry": _retry,
    "edit": _edit,
    "resume": _resume,
    "swipe": _swipe,
    "pin": _pin,
    "copy": _copy,
}


def _meant(session: Session, argument: str, fits: Callable[[Turn], bool]) -> Turn:
    """The message that is named and nothing else, or the newest that fits."""
    session.require_rest()
    turn, rest = turn_named(session, argument)
    if rest:
        raise UsageError(tr("commands.no_number", text=rest), tr("commands.see_show"))
    return turn or _newest(session, fits)


def _newest(session: Session, fits: Callable[[Turn], bool]) -> Turn:
    for turn in reversed(session.turns):
        if fits(turn):
            return turn
    raise UsageError(tr("commands.no_such_turn"))
