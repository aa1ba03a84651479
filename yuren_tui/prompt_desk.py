# SPDX-License-Identifier: Apache-2.0
"""What can be known of a chat's system prompt while it is edited: cost, variables, past, changes.

No textual. What is not saved is kept with the chat; nothing else of it changes before it is.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from yuren_core.protocol import Counted
from yuren_tui.presets import (
    Assembly,
    LoreReport,
    MacroContext,
    expand,
    macro_context,
    short_warning_of,
    unknown_macros,
)
from yuren_tui.session import Session
from yuren_tui.session.tokens import estimate_tokens
from yuren_tui.store import PromptVersion

VARIABLES = (
    *("user", "char", "model", "date", "time", "weekday", "isodate", "lang"),
    *("persona", "original"),
)
"""Shown always; the longer ones only where they stand for something."""

_LONGER = ("description", "personality", "scenario", "lastUserMessage")


@dataclass(frozen=True, slots=True)
class Told:
    """All that the system says at the head of the chat, and what it costs.

    Attributes:
        text: the system prompt, and who the character is, macros filled in; lore, which comes and
            goes with the turns, is not in it.
        tokens: what F6 counts as the system prompt.
        is_guess: the model process could not be asked.
    """

    text: str
    tokens: int
    is_guess: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a comparison."""

    kind: Literal["same", "added", "removed"]
    text: str


class PromptDesk:
    """The open chat's system prompt.

    Args:
        session: whose chat.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._chat = chat = session.chat
        self.text = chat.system_prompt
        self.draft = chat.system_draft
        resolved = chat.preset.text(chat.profile.language)
        self.preset_name = "" if chat.preset.id == "none" else resolved.name
        self.preset_text = resolved.system
        self._resolved = resolved
        self._looking: asyncio.Task[Assembly] | None = None

    def keep(self, text: str) -> None:
        """Keep the edit as it is now with the chat; nothing where it changes nothing.

        Raises:
            StorageError: the disk refuses.
        """
        self._chat.save_system_draft(None if text == self.text else text)

    def save(self, text: str) -> None:
        """Tell the model this first, from the next message on; the edit is done.

        Raises:
            StorageError: the disk refuses; the edit is kept.
        """
        self._chat.system_prompt = text
        self._chat.save_system_draft(None)

    def variables(self) -> list[tuple[str, str]]:
        """Each variable as it is written, and what it stands for now."""
        context = self._context()
        values = [(name, expand(f"{{{{{name}}}}}", context)) for name in (*VARIABLES, *_LONGER)]
        return [
            (f"{{{{{name}}}}}", value.strip())
            for name, value in values
            if value.strip() or name in VARIABLES
        ]

    def warning(self, text: str) -> str:
        """What is to be said of variables that nobody knows; empty where there are none."""
        return short_warning_of(unknown_macros(text))

    def versions(self) -> list[PromptVersion]:
        """The system prompts that this chat has had, the latest first, without the present one."""
        chat = self._session.chat
        if chat.id is None:
            return []
        past = self._session.store.chats.system_prompts(chat.id)
        return [version for version in past if version.text != self.text]

    async def told(self, text: str) -> Told:
        """What the model is told with a text as the chat's system prompt."""
        prompt = replace(self._chat.prompt(), system_prompt=text)
        items = prompt.assemble(await self._lore()).items
        said = [item.message.text for item in items if item.kind == "system"]
        whole = "\n\n".join(said)
        if not said:
            return Told("", 0, False)
        session = self._session
        if session.model.phase == "ready" and not session.is_answering:
            event = await session.client.count(items, session.sampling)
            if isinstance(event, Counted):
                counts = zip(items, event.tokens, strict=True)
                return Told(whole, sum(n for item, n in counts if item.kind == "system"), False)
        return Told(whole, sum(map(estimate_tokens, said)), True)

    async def _lore(self) -> LoreReport:
        """What the lorebooks do now, found once and in a thread: it may take a good while."""
        if self._looking is None:
            self._looking = asyncio.create_task(asyncio.to_thread(self._chat.prompt().assemble))
        return (await asyncio.shield(self._looking)).lore

    def _context(self) -> MacroContext:
        chat = self._session.chat
        return macro_context(
            replace(self._resolved, system=""),
            user_name=chat.profile.user_name,
            persona=chat.profile.persona,
            model=chat.model_name,
            now=datetime.now().astimezone(),
            seed=chat.id or 0,
            history=[turn.message for turn in chat.turns if turn.status != "writing"],
        )


def compare(old: str, new: str) -> Iterator[Line]:
    """Two texts line by line, all of both.

    Args:
        old: what it was.
        new: what it is.

    Yields:
        Removed lines stand before the added ones in their place.
    """
    before, after = old.splitlines(), new.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, start, end, first, last in matcher.get_opcodes():
        if tag == "equal":
            yield from (Line("same", text) for text in before[start:end])
        else:
            yield from (Line("removed", text) for text in before[start:end])
            yield from (Line("added", text) for text in after[first:last])
