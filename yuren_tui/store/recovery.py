# SPDX-License-Identifier: Apache-2.0
"""Closing the answers that a process left half-written when it died.

With words an answer stands, as "failed"; a wordless one is taken away and its question becomes
the leaf. What a living process writes is never touched: its lock says that it lives.
"""

from __future__ import annotations

from yuren_tui.store.database import Database
from yuren_tui.store.tree import SUBTREE, leaf_after_loss, set_leaf
from yuren_tui.store.writers import Writers


def recover(database: Database, writers: Writers) -> int:
    """Close them.

    Returns:
        How many there were.

    Raises:
        StorageError: the disk refuses.
    """
    rows = database.rows("SELECT DISTINCT writer FROM messages WHERE status = 'writing'")
    dead = [row["writer"] for row in rows if not writers.is_alive(row["writer"] or "")]
    closed = 0
    for writer in dead:
        with database.write() as db:
            for row in db.execute(
                "SELECT * FROM messages WHERE status = 'writing' AND writer IS ?", (writer,)
            ).fetchall():
                closed += 1
                below = len(db.execute(SUBTREE, (row["id"],)).fetchall()) - 1
                if row["text"] or below or row["deleted_in"] is not None:
                    db.execute(
                        "UPDATE messages SET status = 'failed', writer = NULL WHERE id = ?",
                        (row["id"],),
                    )
                else:
                    set_leaf(db, row["chat_id"], leaf_after_loss(db, row, [row["id"]]))
                    db.execute("DELETE FROM messages WHERE id = ?", (row["id"],))
    return closed
