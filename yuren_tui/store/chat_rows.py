# SPDX-License-Identifier: Apache-2.0
"""Reading chats: one, the last one, a page of the list, what one has told the model first."""

from __future__ import annotations

import sqlite3
from typing import Any

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart
from yuren_tui.store.database import Database
from yuren_tui.store.encoding import decode_object, decode_sampling
from yuren_tui.store.pictures import Pictures
from yuren_tui.store.values import (
    Chat,
    ChatSummary,
    Draft,
    Json,
    PresetVersion,
    PromptVersion,
    from_milliseconds,
    to_milliseconds,
)

SUMMARY_COLUMNS = """
    c.id, c.title, c.created_at, c.updated_at, c.model, c.archived_at, c.deleted_at,
    c.draft <> '' OR c.system_draft IS NOT NULL
        OR EXISTS (SELECT 1 FROM draft_pictures d WHERE d.chat_id = c.id) AS has_draft,
    (SELECT count(*) FROM messages m WHERE m.chat_id = c.id AND m.deleted_in IS NULL) AS count
"""


class ChatReader:
    """What can be asked of chats without changing them; `Chats` adds the rest.

    Args:
        database: where they are.
        pictures: knows where the pictures of drafts lie.
    """

    def __init__(self, database: Database, pictures: Pictures) -> None:
        self._database = database
        self._pictures = pictures

    def get(self, chat_id: int) -> Chat:
        """One chat, deleted or not."""
        rows = self._database.rows("SELECT * FROM chats WHERE id = ?", (int64(chat_id),))
        if not rows:
            raise unknown_chat(chat_id)
        return self._chat(rows[0])

    def last(self) -> Chat | None:
        """The chat that was last used, not archived and not deleted: what `--continue` opens."""
        rows = self._database.rows(
            "SELECT * FROM chats WHERE deleted_at IS NULL AND archived_at IS NULL"
            " AND (active_leaf IS NOT NULL OR draft <> '' OR system_draft IS NOT NULL"
            " OR EXISTS (SELECT 1 FROM draft_pictures d WHERE d.chat_id = chats.id))"
            " ORDER BY opened_at DESC, id DESC LIMIT 1"
        )
        return self._chat(rows[0]) if rows else None

    def page(
        self,
        *,
        limit: int = 50,
        after: ChatSummary | None = None,
        archived: bool = False,
        deleted: bool = False,
    ) -> list[ChatSummary]:
        """One page of the list, the latest said-in first.

        Args:
            limit: most chats.
            after: the last one of the page before; None for the first page.
            archived: those put away instead of the others.
            deleted: those that can be restored instead of the others.

        Returns:
            At most `limit` chats; fewer at the end of the list.
        """
        which = "c.deleted_at IS NOT NULL" if deleted else "c.deleted_at IS NULL"
        if not deleted:
            which += f" AND c.archived_at IS {'NOT ' if archived else ''}NULL"
        values: list[Any] = []
        if after is not None:
            which += " AND (c.updated_at, c.id) < (?, ?)"
            values += [to_milliseconds(after.updated_at), after.id]
        rows = self._database.rows(
            f"SELECT {SUMMARY_COLUMNS} FROM chats c WHERE {which}"
            " AND (c.active_leaf IS NOT NULL OR c.title_is_set OR c.draft <> ''"
            " OR c.system_draft IS NOT NULL"
            " OR EXISTS (SELECT 1 FROM draft_pictures d WHERE d.chat_id = c.id)"
            " OR EXISTS (SELECT 1 FROM messages m WHERE m.chat_id = c.id))"
            " ORDER BY c.updated_at DESC, c.id DESC LIMIT ?",
            (*values, limit),
        )
        return [summary_of(row) for row in rows]

    def title(self, chat_id: int) -> str:
        """A chat's title."""
        rows = self._database.rows("SELECT title FROM chats WHERE id = ?", (int64(chat_id),))
        if not rows:
            raise unknown_chat(chat_id)
        return str(rows[0]["title"])

    def preset(self, chat_id: int) -> Json | None:
        """The chat's preset as it was when it was taken; None for nobody in particular."""
        rows = self._database.rows(
            "SELECT p.preset FROM chats c LEFT JOIN chat_presets p ON p.chat_id = c.id"
            " WHERE c.id = ? ORDER BY p.id DESC LIMIT 1",
            (int64(chat_id),),
        )
        if not rows:
            raise unknown_chat(chat_id)
        return _decoded(rows[0]["preset"])

    def presets(self, chat_id: int) -> list[PresetVersion]:
        """Every preset under which something was said, in the order of use, and the last one."""
        rows = self._database.rows(
            "SELECT preset, used_at FROM chat_presets WHERE chat_id = ? ORDER BY id",
            (int64(chat_id),),
        )
        return [
            PresetVersion(_decoded(row["preset"]), from_milliseconds(row["used_at"]))
            for row in rows
        ]

    def system_prompts(self, chat_id: int) -> list[PromptVersion]:
        """Every distinct system prompt that the chat has had, the latest first; no empty one."""
        latest: dict[str, PromptVersion] = {}
        for use in reversed(self.system_prompt_uses(chat_id)):
            if use.text:
                latest.setdefault(use.text, use)
        return list(latest.values())

    def system_prompt_uses(self, chat_id: int) -> list[PromptVersion]:
        """The chat's system prompts in the order of use, empty ones too, the one in use last."""
        rows = self._database.rows(
            "SELECT text, used_at FROM system_prompts WHERE chat_id = ? ORDER BY id",
            (int64(chat_id),),
        )
        return [PromptVersion(row["text"], from_milliseconds(row["used_at"])) for row in rows]

    def _chat(self, row: sqlite3.Row) -> Chat:
        return Chat(
            id=row["id"],
            uid=row["uid"],
            title=row["title"],
            is_title_set=bool(row["title_is_set"]),
            created_at=from_milliseconds(row["created_at"]),
            updated_at=from_milliseconds(row["updated_at"]),
            model=row["model"],
            system_prompt=row["system_prompt"],
            sampling=decode_sampling(row["sampling"]),
            active_leaf=row["active_leaf"],
            draft=Draft(row["draft"], self._draft_images(row["id"])),
            system_draft=row["system_draft"],
            scroll=row["scroll"],
            is_archived=row["archived_at"] is not None,
            is_deleted=row["deleted_at"] is not None,
            extras=decode_object(row["extras"]),
        )

    def _draft_images(self, chat_id: int) -> tuple[ImagePart, ...]:
        rows = self._database.rows(
            "SELECT sha256, suffix FROM draft_pictures JOIN pictures USING (sha256)"
            " WHERE chat_id = ? ORDER BY position",
            (chat_id,),
        )
        return tuple(self._pictures.part(row["sha256"], row["suffix"]) for row in rows)


def summary_of(row: sqlite3.Row) -> ChatSummary:
    """A row of `SUMMARY_COLUMNS` as a value."""
    return ChatSummary(
        id=row["id"],
        title=row["title"],
        created_at=from_milliseconds(row["created_at"]),
        updated_at=from_milliseconds(row["updated_at"]),
        model=row["model"],
        message_count=row["count"],
        is_archived=row["archived_at"] is not None,
        is_deleted=row["deleted_at"] is not None,
        has_draft=bool(row["has_draft"]),
    )


def unknown_chat(chat_id: int) -> UsageError:
    """What is said of an id that no chat has."""
    return UsageError(tr("store.no_chat", id=chat_id), tr("store.no_chat_remedy"))


def _decoded(preset: str | None) -> Json | None:
    return None if preset is None else decode_object(preset)


def int64(chat_id: int) -> int:
    """An id that SQLite can hold; one beyond that is no chat's."""
    return chat_id if -(2**63) <= chat_id < 2**63 else 0
