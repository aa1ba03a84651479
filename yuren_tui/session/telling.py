# SPDX-License-Identifier: Apache-2.0
"""What a chat that is exported had told its model first: macros expanded, the character in it."""

from __future__ import annotations

from yuren_core.i18n import current_language
from yuren_tui.presets import assemble
from yuren_tui.session.preset_snapshot import preset_of
from yuren_tui.session.tokens import estimate_tokens
from yuren_tui.store.transfer.records import ChatRecord


def system_told(record: ChatRecord) -> str:
    """All that the system said at the head of a chat, as on the day it was begun.

    Args:
        record: the chat. Lore and examples come and go with the turns, and are no part of it.
    """
    assembly = assemble(
        preset_of(record.preset),
        (),
        user_name=str(record.extras.get("user_name") or ""),
        model=record.model,
        language=current_language(),
        now=record.created_at.astimezone(),
        seed=0,
        count_tokens=estimate_tokens,
        system_prompt=record.system_prompt,
    )
    said = [item.message.text for item in assembly.items if item.kind == "system"]
    return "\n\n".join(said)
