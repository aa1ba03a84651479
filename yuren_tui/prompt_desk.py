# SPDX-License-Identifier: Apache-2.0
"""What can be known of a chat's system prompt while it is edited: cost, variables, past, changes.

No textual. What is not saved is kept with the chat; nothing else of it changes before it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from yuren_core.messages import Message, Role
from yuren_core.prompt import PromptItem
from yuren_core.protocol import Counted
from yuren_tui.presets import MacroContext, expand, macro_context, unknown_macros, warning_of
from yuren_tui.session import Session
from yuren_tui.session.tokens import estimate_tokens
from yuren_tui.store import PromptVersion

VARIABLES = ("user", "char", "model", "date", "time", "weekday", "isodate", "lang")
"""Shown always; the longer ones only where they stand for something."""

_LONGER = ("persona", "description", "personality", "scenario", "original", "lastUserMessage")


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens of a text; a guess where the model process could not be asked."""

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

    def expanded(self, text: str) -> str:
        """The text as the model is told it now; without one, a character is told the usual."""
        if not text.strip() and self._resolved.is_character:
            text = "{{original}}"
        return expand(text, self._context()).strip()

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
        return warning_of(unknown_macros(text))

    def versions(self) -> list[PromptVersion]:
        """The system prompts that this chat has had, the latest first, without the present one."""
        chat = self._session.chat
        if chat.id is None:
            return []
        past = self._session.store.chats.system_prompts(chat.id)
        return [version for version in past if version.text != self.text]

    async def cost(self, text: str) -> Cost:
        """What the text costs, with its variables filled in."""
        told = self.expanded(text)
        if not told:
            return Cost(0, False)
        session = self._session
        if session.model.phase == "ready" and not session.is_answering:
            item = PromptItem(Message.of(Role.SYSTEM, told), "system")
            event = await session.client.count((item,), session.sampling)
            if isinstance(event, Counted):
                return Cost(event.tokens[0], False)
        return Cost(estimate_tokens(told), True)

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
