# SPDX-License-Identifier: Apache-2.0
"""What is remembered across chats: prompts that were sent, models that were chosen."""

from __future__ import annotations

from yuren_tui.store.database import Database
from yuren_tui.store.encoding import now_ms
from yuren_tui.store.values import RecentModel, from_milliseconds, storable

MAX_PROMPTS = 5_000
"""How many distinct prompts are remembered; the oldest go first."""


class History:
    """Prompts and models of one store; StorageError where the disk refuses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_prompt(self, text: str) -> None:
        """Remember a prompt, as the latest; one that is known moves to the front."""
        if not text.strip():
            return
        kept = storable(text)
        with self._database.write() as db:
            db.execute("DELETE FROM prompts WHERE text = ?", (kept,))
            db.execute("INSERT INTO prompts (text, used_at) VALUES (?, ?)", (kept, now_ms()))
            db.execute(
                "DELETE FROM prompts WHERE id <="
                " (SELECT id FROM prompts ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (MAX_PROMPTS,),
            )

    def prompts(self, containing: str = "", *, limit: int = 200) -> list[str]:
        """Prompts that were sent in any chat, the latest first.

        Args:
            containing: only those with this text in them, in any case; all where empty.
            limit: most prompts.
        """
        rows = self._database.rows("SELECT text FROM prompts ORDER BY id DESC")
        wanted = storable(containing).casefold()
        found = (row["text"] for row in rows if wanted in row["text"].casefold())
        return [text for text, _ in zip(found, range(limit), strict=False)]

    def forget_prompts(self) -> None:
        """Forget them all."""
        with self._database.write() as db:
            db.execute("DELETE FROM prompts")

    def add_model(self, model: str, *, load: str = "auto", device: str = "auto") -> None:
        """Remember a model that has been chosen, as the latest."""
        with self._database.write() as db:
            db.execute(
                "INSERT INTO models (model, load, device, used_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (model) DO UPDATE SET load = excluded.load,"
                " device = excluded.device, used_at = excluded.used_at",
                (storable(model), load, device, now_ms()),
            )

    def models(self, *, limit: int = 20) -> list[RecentModel]:
        """Models that have been chosen, the latest first."""
        rows = self._database.rows("SELECT * FROM models ORDER BY used_at DESC LIMIT ?", (limit,))
        return [
            RecentModel(row["model"], row["load"], row["device"], from_milliseconds(row["used_at"]))
            for row in rows
        ]
