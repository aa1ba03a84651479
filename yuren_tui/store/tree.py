# SPDX-License-Identifier: Apache-2.0
"""Walking the tree in SQL: the active path, subtrees, and which leaf is shown after a change.

Everything here works inside a transaction that somebody else opened. A child's id is always
greater than its parent's, so the newest live message below another is a leaf.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

SIBLINGS = """
    (SELECT count(*) FROM messages s WHERE s.chat_id = m.chat_id
        AND s.parent_id IS m.parent_id AND s.deleted_in IS NULL) AS sibling_count,
    (SELECT count(*) FROM messages s WHERE s.chat_id = m.chat_id
        AND s.parent_id IS m.parent_id AND s.deleted_in IS NULL AND s.id <= m.id) AS sibling_index
"""
"""Columns for "2/3", counted in an index alone."""

PATH = f"""
WITH RECURSIVE path (id, depth) AS (
    SELECT active_leaf, 0 FROM chats WHERE id = ? AND active_leaf IS NOT NULL
    UNION ALL
    SELECT m.parent_id, path.depth + 1 FROM path JOIN messages m ON m.id = path.id
    WHERE m.parent_id IS NOT NULL
)
SELECT m.*, {SIBLINGS} FROM path JOIN messages m ON m.id = path.id ORDER BY path.depth DESC
"""

SUBTREE = """
WITH RECURSIVE below (id, chat_id) AS (
    SELECT id, chat_id FROM messages WHERE id = ?
    UNION ALL
    SELECT m.id, m.chat_id FROM below
    JOIN messages m ON m.chat_id = below.chat_id AND m.parent_id = below.id
    WHERE m.deleted_in IS NULL
)
SELECT id FROM below
"""
"""A message and all live ones below it."""


def newest_leaf(db: sqlite3.Connection, message_id: int) -> int:
    """The newest live leaf below a live message; itself where there is none."""
    return max(int(row[0]) for row in db.execute(SUBTREE, (message_id,)))


def leaf_after_loss(db: sqlite3.Connection, root: sqlite3.Row, lost: Collection[int]) -> int | None:
    """Which leaf is active once a subtree is gone.

    Args:
        db: inside a transaction; nothing is gone yet.
        root: the subtree's root: id, chat_id and parent_id.
        lost: the ids of the whole subtree.

    Returns:
        The leaf as it is where the subtree does not hold it; else the newest leaf of the nearest
        alternative, the one before first; else the newest leaf of the parent that is left; None
        in a chat that has no message any more.
    """
    (leaf,) = db.execute(
        "SELECT active_leaf FROM chats WHERE id = ?", (root["chat_id"],)
    ).fetchone()
    if leaf is not None and leaf not in set(lost):
        return int(leaf)
    sibling = db.execute(
        "SELECT id FROM messages WHERE chat_id = ? AND parent_id IS ? AND deleted_in IS NULL"
        " AND id <> ? ORDER BY id > ?, abs(id - ?) LIMIT 1",
        (root["chat_id"], root["parent_id"], *[root["id"]] * 3),
    ).fetchone()
    if sibling is not None:
        return newest_leaf(db, sibling[0])
    return None if root["parent_id"] is None else int(root["parent_id"])


def set_leaf(db: sqlite3.Connection, chat_id: int, leaf: int | None, said_at: int = 0) -> None:
    """Show the path to a leaf; with a time, something was said in the chat just then."""
    db.execute(
        "UPDATE chats SET active_leaf = ?, updated_at = max(updated_at, ?),"
        " opened_at = max(opened_at, ?) WHERE id = ?",
        (leaf, said_at, said_at, chat_id),
    )


def is_live_leaf(db: sqlite3.Connection, chat_id: int, message_id: int) -> bool:
    """Whether a message is live, in that chat, and has no live message below it."""
    row = db.execute(
        "SELECT 1 FROM messages m WHERE m.id = ? AND m.chat_id = ? AND m.deleted_in IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM messages k WHERE k.chat_id = m.chat_id"
        " AND k.parent_id = m.id AND k.deleted_in IS NULL)",
        (message_id, chat_id),
    ).fetchone()
    return row is not None
