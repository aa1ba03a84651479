# SPDX-License-Identifier: Apache-2.0
"""The path that is shown, cut where what the model was told first changed.

An answer was told what was in use when it was begun, and so were the messages that it answers:
they stand in one stretch with it. Of chats that a yuren of before version 3 of the store has kept,
a system prompt is known by its last use alone, and what came before the first that is known is
taken to have been told that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from yuren_core.messages import Role
from yuren_tui.store.transfer.records import ChatRecord, MessageRecord
from yuren_tui.store.values import Json, PresetVersion, PromptVersion

Told = Callable[[ChatRecord], str]
"""All that a chat's model was told first, by its system prompt, its preset and `created_at`."""

Use = TypeVar("Use", PromptVersion, PresetVersion)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages of the path, one after another, and what the model was told first for all."""

    system: str
    messages: tuple[MessageRecord, ...]


def stretches_of(record: ChatRecord, told: Told | None = None) -> tuple[Stretch, ...]:
    """Cut the path that is shown.

    Args:
        record: the chat.
        told: what its model was told first; the system prompt as the person wrote it where it
            is None.

    Returns:
        At least one stretch; two that follow one another were told different words.
    """
    found: list[Stretch] = []
    for prompt, preset, messages in _in_use(record):
        since = messages[0].created_at if found else record.created_at
        then = replace(record, system_prompt=prompt, preset=preset, created_at=since)
        system = prompt if told is None else told(then)
        if found and found[-1].system == system:
            found[-1] = replace(found[-1], messages=(*found[-1].messages, *messages))
        else:
            found.append(Stretch(system, tuple(messages)))
    return tuple(found) or (Stretch(told(record) if told else record.system_prompt, ()),)


def _in_use(record: ChatRecord) -> Iterator[tuple[str, Json | None, list[MessageRecord]]]:
    """System prompt, preset, and the messages that were said under both."""
    prompts = record.prompt_uses or (PromptVersion(record.system_prompt, record.created_at),)
    presets = record.preset_uses or (PresetVersion(record.preset, record.created_at),)
    found: list[tuple[str, Json | None, list[MessageRecord]]] = []
    for messages in _exchanges(record.active_path()):
        moment = messages[-1].created_at
        prompt, preset = _at(prompts, moment).text, _at(presets, moment).preset
        if found and found[-1][:2] == (prompt, preset):
            found[-1][2].extend(messages)
        else:
            found.append((prompt, preset, messages))
    return iter(found)


def _exchanges(path: Sequence[MessageRecord]) -> Iterator[list[MessageRecord]]:
    """What was asked, each time up to the answer."""
    asked: list[MessageRecord] = []
    for message in path:
        asked.append(message)
        if message.role is Role.ASSISTANT:
            yield asked
            asked = []
    if asked:
        yield asked


def _at(uses: Sequence[Use], moment: datetime) -> Use:
    """What was in use at a time; the first where it was before all."""
    return next((use for use in reversed(uses) if use.used_at <= moment), uses[0])
