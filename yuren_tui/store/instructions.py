# SPDX-License-Identifier: Apache-2.0
"""What chats tell the model first, over time: their system prompts and their presets.

Each is a row with the time from which it was in use; the last one is in use now. A preset under
which nothing was said leaves no trace. The functions that write want a transaction that is open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from yuren_tui.store.values import PromptVersion, storable, to_milliseconds


def remember_system_prompt(db: sqlite3.Connection, chat_id: int, text: str, now: int) -> None:
    """Put a system prompt, which may be empty, into use; one that is in use already stays so."""
    kept = storable(text)
    last = db.execute(
        "SELECT text FROM system_prompts WHERE chat_id = ? ORDER BY id DESC LIMIT 1", (chat_id,)
    ).fetchone()
    if last is None or last["text"] != kept:
        db.execute(
            "INSERT INTO system_prompts (chat_id, text, used_at) VALUES (?, ?, ?)",
            (chat_id, kept, now),
        )


def remember_preset(db: sqlite3.Connection, chat_id: int, preset: str | None, now: int) -> None:
    """Put a preset into use.

    Args:
        db: the connection.
        chat_id: whose it is.
        preset: as JSON text; None for nobody in particular.
        now: milliseconds since 1970.
    """
    db.execute(
        "DELETE FROM chat_presets WHERE chat_id = ? AND used_at >"
        " coalesce((SELECT max(created_at) FROM messages WHERE chat_id = ?), -1)",
        (chat_id, chat_id),
    )
    db.execute(
        "INSERT INTO chat_presets (chat_id, preset, used_at) VALUES (?, ?, ?)",
        (chat_id, preset, now),
    )


def put_in_use(
    db: sqlite3.Connection,
    chat_id: int,
    prompts: Sequence[PromptVersion],
    presets: Sequence[tuple[str | None, int]],
) -> None:
    """Write all that a chat which comes from elsewhere has told, oldest first.

    Args:
        db: the connection.
        chat_id: whose it is; nothing is in use yet.
        prompts: its system prompts.
        presets: its presets as JSON text, each with its time in milliseconds.
    """
    for prompt in prompts:
        remember_system_prompt(db, chat_id, prompt.text, to_milliseconds(prompt.used_at))
    db.executemany(
        "INSERT INTO chat_presets (chat_id, preset, used_at) VALUES (?, ?, ?)",
        [(chat_id, preset, used_at) for preset, used_at in presets],
    )
