# SPDX-License-Identifier: Apache-2.0
"""Search as you type: every length and script of query, ranking, snippets, what is left out."""

from __future__ import annotations

import threading

import pytest

from tests.tui.store.conftest import exchange
from yuren_tui.store import Store
from yuren_tui.store import search as search_module


def found(store: Store, query: str, *, archived: bool = False) -> list[int]:
    return [hit.chat.id for hit in store.search(query, archived=archived).chats]


@pytest.fixture
def chats(store: Store) -> list[int]:
    texts = [
        ("Why is the sky blue?", "Rayleigh scattering bends blue light 50% more."),
        ("天空为什么是蓝色的？", "因为空气散射了阳光。The sky is blue."),
        ("Write a_poem about Ünïcode", "Ah, naïve façade!\0 behind"),
        ("写一首诗", "床前明月光，疑是地上霜。\u2028举头望明月，低头思故乡。"),
    ]
    ids = []
    for question, answer in texts:
        ids.append(store.chats.create().id)
        exchange(store, ids[-1], question, answer)
    store.chats.rename(ids[0], "Physics of colours")
    store.chats.rename(ids[3], "静夜思")
    return ids


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("scattering", [0]),
        ("SCATTER", [0]),
        ("ttering be", [0]),  # two words, each anywhere
        ('"ttering be"', [0]),
        ('"bends scattering"', []),
        ('"blue li', [0]),  # a quote still being typed
        ("blue sky", [1, 0]),
        ("天空", [1]),
        ("散射了阳光", [1]),
        ("天空 sky", []),  # not in one message
        ("月光", [3]),
        ("乡。", [3]),  # the last two characters of a text
        ("举", [3]),
        ("ey", []),
        ("ue", [1, 0]),
        ("UE", [1, 0]),
        ("ün", [2]),
        ("ÜN", [2]),
        ("FAÇADE", [2]),
        ("le", [0]),
        ("50%", [0]),
        ("0%", [0]),
        ("a_p", [2]),
        ("a%p", []),
        ("_", [2]),
        ('"', []),
        ("  ", []),
        ("NEAR(sky)", []),
        ("sky AND blue", []),
        ("-*^:", []),
        ("physics", [0]),
        ("静夜", [3]),
        ("夜", [3]),
        ("😀", []),
        ("\0", []),
        ("\ud800", []),
        ("x" * 10_000, []),
    ],
)
def test_what_a_query_finds(store: Store, chats: list[int], query: str, places: list[int]) -> None:
    assert found(store, query) == [chats[place] for place in places]


@pytest.mark.parametrize("query", ["le", "月光", "举", "0%", "ün", "_", "光", "zq"])
def test_short_queries_find_the_same_where_only_the_index_reaches(
    store: Store, chats: list[int], monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    near = found(store, query)
    monkeypatch.setattr(search_module, "_WINDOW", 0)
    assert found(store, query) == near


def test_titles_come_first_then_whole_words_then_the_latest(store: Store) -> None:
    ids = [store.chats.create().id for _ in range(5)]
    exchange(store, ids[0], "a cat", "x")
    exchange(store, ids[1], "concatenate", "x")
    exchange(store, ids[2], "another cat", "x")
    exchange(store, ids[3], "nothing", "x")
    exchange(store, ids[4], "nothing", "x")
    store.chats.rename(ids[3], "On categories")
    store.chats.rename(ids[4], "cat care")
    assert found(store, "cat") == [ids[4], ids[3], ids[2], ids[0], ids[1]]


def test_a_snippet_says_where_the_match_is(store: Store) -> None:
    chat_id = store.chats.create().id
    text = "filler words " * 50 + "a **needle**\n\nin [red]hay[/red]" + " and more" * 50
    exchange(store, chat_id, text, "x")
    (chat,) = store.search("NEEDLE hay").chats
    (hit,) = chat.hits
    assert [hit.snippet.text[start:end] for start, end in hit.snippet.matches] == ["needle", "hay"]
    assert "**needle** in [red]hay[/red]" in hit.snippet.text
    assert hit.snippet.text.startswith("…")
    assert hit.snippet.text.endswith("…")
    assert "\n" not in hit.snippet.text
    assert len(hit.snippet.text) < 170


def test_hits_are_grouped_and_counted(store: Store) -> None:
    chat_id = store.chats.create().id
    for i in range(5):
        exchange(store, chat_id, f"needle {i}", "x")
    (chat,) = store.search("needle", hits_per_chat=2).chats
    assert chat.hit_count == 5
    assert [hit.snippet.text for hit in chat.hits] == ["needle 4", "needle 3"]


def test_a_title_s_match_is_marked(store: Store, chats: list[int]) -> None:
    (chat,) = store.search("colour").chats
    assert chat.title.text == "Physics of colours"
    assert chat.title.matches == ((11, 17),)
    assert chat.hits == ()


def test_archived_only_when_asked_and_deleted_never(store: Store, chats: list[int]) -> None:
    store.chats.archive(chats[0])
    assert found(store, "scattering") == []
    assert found(store, "scattering", archived=True) == [chats[0]]
    store.chats.delete(chats[0])
    assert found(store, "scattering", archived=True) == []
    assert found(store, "physics", archived=True) == []
    store.chats.restore(chats[0])
    store.chats.archive(chats[0], archived=False)
    assert found(store, "scattering") == [chats[0]]


def test_an_answer_is_found_when_it_is_finished(store: Store) -> None:
    chat_id = store.chats.create().id
    exchange(store, chat_id, "q", "a")
    begun = store.messages.begin_answer(chat_id)
    store.messages.save_partial(begun.id, "half a needle")
    assert found(store, "needle") == []
    assert found(store, "ne") == []
    store.messages.finish(begun.id, "half a needle, whole", "done")
    assert found(store, "needle") == [chat_id]
    store.messages.save_partial(begun.id, "otherwise")
    assert found(store, "needle") == []
    assert store.check() == []


def test_common_words_stop_at_the_newest_hits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "MAX_HITS", 4)
    ids = [store.chats.create().id for _ in range(3)]
    for chat_id in ids:
        exchange(store, chat_id, "common", "common")
    results = store.search("common")
    assert [chat.chat.id for chat in results.chats] == [ids[2], ids[1]]
    assert not results.is_complete


def test_searching_in_a_thread_while_writing(store: Store) -> None:
    chat_id = store.chats.create().id
    exchange(store, chat_id, "needle", "x")
    faults: list[BaseException] = []

    def search() -> None:
        try:
            for _ in range(50):
                assert found(store, "needle") == [chat_id]
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            faults.append(error)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(50):
        exchange(store, chat_id, f"hay {i}", "x")
    for thread in threads:
        thread.join()
    assert faults == []
