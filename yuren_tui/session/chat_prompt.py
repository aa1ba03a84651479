# SPDX-License-Identifier: Apache-2.0
"""What one chat tells the model at one moment, as a value that any thread may put together.

A lorebook may hold megabytes, and to look through it takes a good part of a second: so what the
assembly needs is taken from the chat at once, and nothing of chat or store is asked after that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from yuren_core.messages import Message
from yuren_core.prompt import PromptItem
from yuren_tui.presets import Assembly, LoreReport, LoreState, Preset, assemble
from yuren_tui.session.tokens import estimate_tokens
from yuren_tui.session.values import Profile


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """A chat's prompt before it is assembled.

    Attributes:
        preset: who the model is.
        system_prompt: in place of the preset's.
        profile: who talks.
        model: the model's name.
        seed: what chance in macros and lore depends on.
        history: what has been said, oldest first.
        pinned: places in the history that stay in the context.
        unsaid: messages that are not said yet, for counting; after the history.
        lore_active_at: when lore was last active, by its id.
        greeting_index: which first message of the preset's it began with, 0 the usual one; None
            where the person spoke first.
        now: the clock.
    """

    preset: Preset
    system_prompt: str
    profile: Profile
    model: str
    seed: int
    history: tuple[Message, ...]
    pinned: frozenset[int] = frozenset()
    unsaid: tuple[Message, ...] = ()
    lore_active_at: Mapping[str, int] = field(default_factory=dict)
    greeting_index: int | None = None
    now: datetime = field(default_factory=lambda: datetime.now().astimezone())

    def assemble(self, lore: LoreReport | None = None) -> Assembly:
        """All that the model is to be told.

        Args:
            lore: of an earlier assembly with the same history; None looks through the lorebooks.
        """
        assembly = assemble(
            self.preset,
            (*self.history, *self.unsaid),
            user_name=self.profile.user_name,
            persona=self.profile.persona,
            model=self.model,
            language=self.profile.language,
            now=self.now,
            seed=self.seed,
            count_tokens=estimate_tokens,
            system_prompt=self.system_prompt,
            lore_state=LoreState(dict(self.lore_active_at)),
            greeting_index=self.greeting_index,
            lore=lore,
        )

        def with_pin(item: PromptItem) -> PromptItem:
            return replace(item, is_pinned=item.index in self.pinned)

        return replace(assembly, items=tuple(map(with_pin, assembly.items)))
