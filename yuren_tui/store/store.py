# SPDX-License-Identifier: Apache-2.0
"""Everything that is kept between one run of the chat and the next.

    store = Store.open()
    chat = store.chats.create(system_prompt="Be brief.")
    store.messages.append(chat.id, Role.USER, "Why is the sky blue?")
    answer = store.messages.begin_answer(chat.id, model="starter")
    store.messages.save_partial(answer.id, "Because")
    store.messages.finish(answer.id, "Because of air.", "done")

Calls are short and block; from an event loop they may be made directly or in a thread. What one
call does is on the whole or not at all. Several stores, in one process or in many, may have the
same directory open.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from yuren_core.paths import data_dir
from yuren_tui.store.chats import Chats
from yuren_tui.store.database import Database
from yuren_tui.store.history import History
from yuren_tui.store.messages import Messages
from yuren_tui.store.migrations import MIGRATIONS, Step
from yuren_tui.store.pictures import Pictures
from yuren_tui.store.rescue import problems, rebuild_indexes
from yuren_tui.store.search import SearchResults, search
from yuren_tui.store.writers import Writers

FILE_NAME = "chats.sqlite3"


class Store:
    """One directory of chats. Made by `open`; closed by `close` or as a context manager.

    Attributes:
        directory: where all of it lies.
        database: the file behind it; only `transfer` reaches through.
        chats: the list, titles, drafts, system prompts.
        messages: what was said, as trees.
        pictures: the files that messages show.
        history: prompts and models of all chats.
        notices: what people should be told about the opening: a migration, a damaged file that
            was set aside; in their language.
    """

    def __init__(self, directory: Path, database: Database) -> None:
        self.directory = directory
        self.database = database
        self._writers = Writers(directory / f"{FILE_NAME}.writers")
        self.pictures = Pictures(database, directory / "pictures")
        self.chats = Chats(database, self.pictures)
        self.messages = Messages(database, self.pictures, self._writers)
        self.history = History(database)
        self.notices: tuple[str, ...] = tuple(database.notices)

    @classmethod
    def open(
        cls,
        directory: Path | None = None,
        *,
        busy_timeout_s: float = 5.0,
        steps: Sequence[Step] = MIGRATIONS,
    ) -> Store:
        """Open the chats, make the file where there is none, bring an older one up to date, and
        close what dead processes left half-written.

        Args:
            directory: where they lie; the data directory by default.
            busy_timeout_s: how long a write waits for another process.
            steps: the migrations; another list only in tests.

        Raises:
            StorageError: the file cannot be opened, or a newer yuren has written it.
        """
        where = directory or data_dir()
        database = Database(where / FILE_NAME, busy_timeout_s=busy_timeout_s, steps=steps)
        try:
            store = cls(where, database)
            store.messages.recover()
            store._writers.sweep()
        except BaseException:
            database.close()
            raise
        return store

    @property
    def path(self) -> Path:
        """The database's file."""
        return self.database.path

    def search(
        self, query: str, *, limit: int = 50, hits_per_chat: int = 3, archived: bool = False
    ) -> SearchResults:
        """Find chats by what is in their titles and messages; see `yuren_tui.store.search`."""
        return search(
            self.database,
            query,
            limit=limit,
            hits_per_chat=hits_per_chat,
            archived=archived,
        )

    def check(self) -> list[str]:
        """What a full check finds wrong; empty for a sound store. Reads the whole file."""
        with self.database.write() as db:
            rebuild_indexes(db)
            return problems(db)

    def close(self) -> None:
        """Close the store; an answer that is still being written is left for `recover`."""
        self._writers.close()
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
