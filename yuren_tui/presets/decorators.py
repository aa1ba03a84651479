# SPDX-License-Identifier: Apache-2.0
"""Decorators of V3 lore: lines such as `@@depth 4` at the head of an entry's content.

Understood ones change how the entry behaves; the others are kept in the content and left out of
the prompt. `@@@name` lines are what to take where the decorator above them is not understood.
Of one name, the first counts. A value that cannot be makes the decorator not understood.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from yuren_core.messages import Role
from yuren_tui.presets.lorebook import LoreEntry, Where

_MAX_NUMBER = 10**6
_POSITIONS: dict[str, Where] = {
    "before_desc": "before_char",
    "after_desc": "after_char",
    "personality": "after_char",
    "scenario": "after_char",
}


@dataclass(frozen=True, slots=True)
class Decorators:
    """What the head of an entry's content asks for; None or empty where it does not.

    Attributes:
        activation: "always", "never", or as the keys say.
        after_first: once it has been active: "stay" so, "never" again, or as the keys say.
        activate_only_after: answers of the model that must have been given.
        activate_only_every: the count of answers must be a multiple of this.
        is_greeting: the index of the first message that the chat must have begun with.
        extra_keys: one of them must be there too.
        excluded_keys: none of them may be there.
        other: lines that are not understood, as written.
    """

    depth: int | None = None
    role: Role | None = None
    where: Where | None = None
    scan_depth: int | None = None
    activation: Literal["keys", "always", "never"] = "keys"
    after_first: Literal["keys", "stay", "never"] = "keys"
    activate_only_after: int | None = None
    activate_only_every: int | None = None
    is_greeting: int | None = None
    extra_keys: tuple[str, ...] = ()
    excluded_keys: tuple[str, ...] = ()
    yields_first: bool = False
    other: tuple[str, ...] = ()


NO_DECORATORS = Decorators()


def split_decorators(content: str) -> tuple[Decorators, str]:
    """Take the decorators off an entry's content.

    Args:
        content: as written.

    Returns:
        What they ask for, and the content that is for the model.
    """
    if not content.lstrip().startswith("@@"):
        return NO_DECORATORS, content
    lines = content.lstrip().split("\n")
    count = next(
        (i for i, line in enumerate(lines) if line[:2] != "@@" and line.strip()), len(lines)
    )
    return _parse(lines[:count]), "\n".join(lines[count:]).strip("\n")


def apply_decorators(entry: LoreEntry, decorators: Decorators) -> LoreEntry:
    """The entry with place, role and scan depth as its decorators say."""
    if decorators is NO_DECORATORS:
        return entry
    where = decorators.where
    if where is None and decorators.depth is not None:
        where = "at_depth"
    return replace(
        entry,
        where=where or entry.where,
        depth=entry.depth if decorators.depth is None else decorators.depth,
        role=decorators.role or entry.role,
        scan_depth=entry.scan_depth if decorators.scan_depth is None else decorators.scan_depth,
    )


def _parse(lines: list[str]) -> Decorators:
    found, seen, other = NO_DECORATORS, set[str](), list[str]()
    is_settled = True  # the chain of @@ and its @@@ fallbacks that we are in
    for line in lines:
        is_fallback = line.startswith("@@@")
        if not line.strip() or (is_fallback and is_settled):
            if is_fallback:
                other.append(line)
            continue
        name, _, value = line.lstrip("@").partition(" ")
        name, value = name.strip().lower(), value.strip()
        taken = found if name in seen else _take(found, name, value)
        is_settled = taken is not None
        if taken is None:
            other.append(line)
        else:
            seen.add(name)
            found = taken
    return replace(found, other=tuple(other))


def _take(found: Decorators, name: str, value: str) -> Decorators | None:
    """`found` with one more decorator; None where it is not understood."""
    match name:
        case "depth":
            return None if (n := _number(value)) is None else replace(found, depth=n)
        case "scan_depth":
            return None if (n := _number(value)) is None else replace(found, scan_depth=n)
        case "is_greeting":
            return None if (n := _number(value)) is None else replace(found, is_greeting=n)
        case "activate_only_after":
            return None if (n := _number(value)) is None else replace(found, activate_only_after=n)
        case "activate_only_every":
            return replace(found, activate_only_every=n) if (n := _number(value)) else None
        case "role":
            return replace(found, role=Role(value)) if value in list(Role) else None
        case "position":
            return replace(found, where=_POSITIONS[value]) if value in _POSITIONS else None
        case "activate":
            return replace(found, activation="always")
        case "dont_activate":
            return found if found.activation == "always" else replace(found, activation="never")
        case "keep_activate_after_match":
            return replace(found, after_first="stay")
        case "dont_activate_after_match":
            return replace(found, after_first="never")
        case "additional_keys":
            return replace(found, extra_keys=_list(value))
        case "exclude_keys":
            return replace(found, excluded_keys=_list(value))
        case "ignore_on_max_context":
            return replace(found, yields_first=True)
        case _:
            return None


def _number(value: str) -> int | None:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 7:
        return None
    return max(0, min(int(value), _MAX_NUMBER))


def _list(value: str) -> tuple[str, ...]:
    return tuple(key for part in value.split(",") if (key := part.strip()))
