# SPDX-License-Identifier: Apache-2.0
"""A store in a directory of its own, and something to put into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from yuren_core.i18n import use_language
from yuren_core.messages import Role
from yuren_tui.store import Store, StoredMessage


@pytest.fixture(autouse=True)
def _english() -> None:
    use_language("en")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file that begins as a PNG does; the store reads no further."""
    path = tmp_path / "cat 猫.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    return path


def exchange(store: Store, chat_id: int, question: str, answer: str) -> list[StoredMessage]:
    """Say something and have it answered."""
    asked = store.messages.append(chat_id, Role.USER, question)
    begun = store.messages.begin_answer(chat_id, model="starter")
    return [asked, store.messages.finish(begun.id, answer, "done", {"completion_tokens": 3})]
