# SPDX-License-Identifier: Apache-2.0
"""The store is opened when it is first asked for, and once."""

from __future__ import annotations

from pathlib import Path

from yuren_tui.session.lazy_store import LazyStore
from yuren_tui.store import Store


def test_it_is_opened_once_and_only_when_it_is_needed(tmp_path: Path) -> None:
    opened: list[Store] = []

    def opens() -> Store:
        opened.append(Store.open(tmp_path / "store"))
        return opened[-1]

    lazy = LazyStore(opens)
    lazy.close()
    assert opened == []
    assert lazy.get() is lazy.get() is opened[0]
    lazy.close()
    assert lazy.get() is opened[1]
    lazy.close()


def test_without_a_place_it_goes_with_the_session() -> None:
    lazy = LazyStore(None)
    directory = Path(lazy.get().database.path).parent
    lazy.get().chats.create()
    assert directory.is_dir()
    lazy.close()
    assert not directory.exists()
