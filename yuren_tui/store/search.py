# SPDX-License-Identifier: Apache-2.0
"""Search as you type over titles and all that was said, in any script.

A query is words parted by blanks, all of which must be in a title or in one message, anywhere in
a word, in any case; "double quotes" keep blanks. Chinese needs no blanks.

How it stays fast: three characters or more are looked up in a trigram index. Fewer cannot be:
they are looked for in the newest messages themselves, which finds common ones at once, and where
that is not enough, all indexed trigrams that begin with them are (every text is indexed with two
newlines behind it, so none is missed). Hits are read from the newest on and each is verified in
its text, until there are enough. A gap that is known: SQLite indexes a text up to its first NUL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from yuren_core.messages import Role
from yuren_tui.store.chat_rows import SUMMARY_COLUMNS, summary_of
from yuren_tui.store.database import Database
from yuren_tui.store.snippets import Snippet, Terms, cut, whole
from yuren_tui.store.values import ChatSummary, from_milliseconds, storable

MAX_HITS = 200
"""Messages that are looked at closely, the newest."""

MAX_EXAMINED = 4_000
"""Messages that are verified at most, so that no query takes long."""

_WINDOW = 10_000
_MAX_TERMS = 4_000


@dataclass(frozen=True, slots=True)
class MessageHit:
    """A message that holds the query."""

    message_id: int
    role: Role
    created_at: datetime
    snippet: Snippet


@dataclass(frozen=True, slots=True)
class ChatHit:
    """A chat whose title or messages hold the query.

    Attributes:
        chat: the chat.
        title: its title, with what matched in it.
        hits: its best messages, the latest first; empty where only the title matched.
        hit_count: how many of its messages were found, `hits` among them.
    """

    chat: ChatSummary
    title: Snippet
    hits: tuple[MessageHit, ...]
    hit_count: int


@dataclass(frozen=True, slots=True)
class SearchResults:
    """What a query found, the best first.

    Attributes:
        query: as it was given.
        chats: titles that match before messages that do, whole words before parts of words, and
            otherwise the latest first.
        is_complete: False where only the newest hits were looked at.
    """

    query: str
    chats: tuple[ChatHit, ...]
    is_complete: bool


def search(
    database: Database,
    query: str,
    *,
    limit: int = 50,
    hits_per_chat: int = 3,
    archived: bool = False,
) -> SearchResults:
    """Find chats; may be called from another thread than the writes.

    Args:
        database: the store's.
        query: what has been typed so far.
        limit: most chats.
        hits_per_chat: most messages shown of one chat.
        archived: look through chats that were put away, too.

    Returns:
        The results; none for a query of blanks.

    Raises:
        StorageError: the store cannot be read.
    """
    terms = Terms.parse(storable(query).replace("\0", " "))
    if not terms:
        return SearchResults(query, (), True)
    shown = "c.deleted_at IS NULL" + ("" if archived else " AND c.archived_at IS NULL")
    with database.reading() as db:
        titles = {
            row["id"]: row
            for row in _titles(db, terms, shown, MAX_HITS)
            if terms.are_in(row["text"])
        }
        found: dict[int, list[sqlite3.Row]] = {}
        count = examined = 0
        for examined, row in enumerate(_messages(db, terms, shown), 1):
            if terms.are_in(row["text"]):
                count += 1
                found.setdefault(row["chat_id"], []).append(row)
            if count == MAX_HITS or examined == MAX_EXAMINED:
                break
        ranked = sorted(
            {*titles, *found},
            key=lambda chat_id: _rank(terms, titles.get(chat_id), found.get(chat_id, []), chat_id),
            reverse=True,
        )[:limit]
        chats = tuple(
            _chat_hit(db, terms, chat_id, found.get(chat_id, []), hits_per_chat)
            for chat_id in ranked
        )
    return SearchResults(query, chats, count < MAX_HITS and examined < MAX_EXAMINED)


def _rank(
    terms: Terms, title: sqlite3.Row | None, messages: Sequence[sqlite3.Row], chat_id: int
) -> tuple[int, int, int, int]:
    in_title = 0
    if title is not None:
        in_title = 1 + terms.are_whole_words_in(title["text"]) + terms.begin(title["text"])
    is_whole = any(terms.are_whole_words_in(row["text"]) for row in messages)
    newest = max((row["id"] for row in messages), default=0)
    return in_title, int(is_whole), newest, chat_id


def _chat_hit(
    db: sqlite3.Connection,
    terms: Terms,
    chat_id: int,
    messages: Sequence[sqlite3.Row],
    hits_per_chat: int,
) -> ChatHit:
    row = db.execute(f"SELECT {SUMMARY_COLUMNS} FROM chats c WHERE c.id = ?", (chat_id,)).fetchone()
    chat = summary_of(row)
    hits = tuple(
        MessageHit(
            message["id"],
            Role(message["role"]),
            from_milliseconds(message["created_at"]),
            cut(message["text"], terms),
        )
        for message in messages[:hits_per_chat]
    )
    return ChatHit(chat, whole(chat.title, terms), hits, len(messages))


# ---------------------------------------------------------------- candidates


def _titles(db: sqlite3.Connection, terms: Terms, shown: str, limit: int) -> Iterator[sqlite3.Row]:
    expression = _expression(db, "title_terms", terms)
    if expression is None:
        return iter(())
    return db.execute(
        "SELECT c.id, c.title AS text FROM title_index x CROSS JOIN chats c ON c.id = x.rowid"
        f" WHERE title_index MATCH ? AND {shown} ORDER BY x.rowid DESC LIMIT ?",
        (expression, limit),
    )


def _messages(db: sqlite3.Connection, terms: Terms, shown: str) -> Iterator[sqlite3.Row]:
    columns = "m.id, m.chat_id, m.role, m.created_at, m.text"
    if len(terms.longest) < 3:
        (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()
        rows = db.execute(
            f"SELECT {columns} FROM messages m CROSS JOIN chats c ON c.id = m.chat_id"
            " WHERE m.id > ? AND instr(lower(m.text), ?) AND m.status <> 'writing'"
            f" AND m.deleted_in IS NULL AND {shown} ORDER BY m.id DESC LIMIT ?",
            (newest - _WINDOW, terms.longest.lower(), MAX_EXAMINED),
        ).fetchall()
        # SQLite's lower() folds ASCII alone; instr(), unlike LIKE, reads on behind a NUL.
        if newest <= _WINDOW and terms.longest.isascii():
            return iter(rows)
        if sum(terms.are_in(row["text"]) for row in rows) >= MAX_HITS:
            return iter(rows)
    expression = _expression(db, "message_terms", terms)
    if expression is None:
        return iter(())
    return db.execute(
        f"SELECT {columns} FROM message_index x CROSS JOIN messages m ON m.id = x.rowid"
        f" CROSS JOIN chats c ON c.id = m.chat_id WHERE message_index MATCH ? AND {shown}"
        " ORDER BY x.rowid DESC",
        (expression,),
    )


def _expression(db: sqlite3.Connection, vocabulary: str, terms: Terms) -> str | None:
    """What the index is asked: all trigrams of the long words, or any that begins the short one.

    The index folds case; the vocabulary is folded already. None where nothing can match.
    """
    trigrams = {
        word[i : i + 3] for word in terms.words if len(word) >= 3 for i in range(len(word) - 2)
    }
    if trigrams:
        return " AND ".join(_quoted(trigram) for trigram in sorted(trigrams))
    start = terms.longest.lower()
    known = db.execute(
        f"SELECT term FROM {vocabulary} WHERE term >= ? AND term < ? LIMIT ?",
        (start, start + "\U0010ffff", _MAX_TERMS),
    ).fetchall()
    return " OR ".join(_quoted(row[0]) for row in known) or None


def _quoted(trigram: str) -> str:
    return '"' + trigram.replace('"', '""') + '"'
