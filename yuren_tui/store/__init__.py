# SPDX-License-Identifier: Apache-2.0
"""The memory of the chat: SQLite and picture files, without any UI.

`Store` is the door. Values that go in and out are in `values`, files of other programs and ours
in `transfer`, the tables in `schema`.
"""

from __future__ import annotations

from yuren_tui.store.chats import UNCHANGED
from yuren_tui.store.messages import ACTIVE_LEAF
from yuren_tui.store.search import ChatHit, MessageHit, SearchResults
from yuren_tui.store.snippets import Snippet
from yuren_tui.store.store import Store
from yuren_tui.store.titles import title_from
from yuren_tui.store.values import (
    Chat,
    ChatSummary,
    Deletion,
    Draft,
    MessageStatus,
    PresetVersion,
    PromptVersion,
    RecentModel,
    StoredMessage,
)

__all__ = [
    "ACTIVE_LEAF",
    "UNCHANGED",
    "Chat",
    "ChatHit",
    "ChatSummary",
    "Deletion",
    "Draft",
    "MessageHit",
    "MessageStatus",
    "PresetVersion",
    "PromptVersion",
    "RecentModel",
    "SearchResults",
    "Snippet",
    "Store",
    "StoredMessage",
    "title_from",
]
