# SPDX-License-Identifier: Apache-2.0
"""Lorebooks: which entries are active, why, where they stand, and what they cost."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuren_core.messages import Message, Role
from yuren_tui.presets import (
    CardError,
    Lorebook,
    LoreEntry,
    LoreReport,
    LoreState,
    lorebook_bytes,
    read_lorebook,
)
from yuren_tui.presets.lore_activation import activate_lore
from yuren_tui.presets.lore_choice import LoreScan
from yuren_tui.presets.lorebook_json import lorebook_json, lorebook_of_json

CHAT = ("Look, the Lighthouse!", "It is dark. 灯塔黑着。", "Why?")


def scan(*entries: LoreEntry, chat: tuple[str, ...] = CHAT, **options: Any) -> LoreReport:
    book_options = {
        key: options.pop(key) for key in ("is_recursive", "token_budget") if key in options
    }
    roles = (Role.USER, Role.ASSISTANT)
    history = [Message.of(roles[index % 2], text) for index, text in enumerate(chat)]
    book = Lorebook(
        entries=tuple(replace(e, id=e.id or str(i)) for i, e in enumerate(entries)), **book_options
    )
    turn = LoreScan(history=history, count_tokens=len, expand=lambda text: text, **options)
    return activate_lore((book,), turn)


def active(*entries: LoreEntry, **options: Any) -> list[str]:
    return [one.entry.label for one in scan(*entries, **options).active]


def entry(*keys: str, **fields: Any) -> LoreEntry:
    return LoreEntry(keys=keys, **{"content": "lore"} | fields)


def test_a_found_key_says_where_it_was_found() -> None:
    [one] = scan(entry("ship", "lighthouse")).active
    assert (one.reason, one.key, one.message_index, one.tokens) == ("key", "lighthouse", 0, 4)


@pytest.mark.parametrize(
    ("found", "logic", "expected"),
    [
        (["dark", "ship"], "and_any", True),
        (["ship"], "and_any", False),
        (["dark", "why"], "and_all", True),
        (["dark", "ship"], "and_all", False),
        (["ship"], "not_any", True),
        (["dark", "ship"], "not_any", False),
        (["dark", "ship"], "not_all", True),
        (["dark", "why"], "not_all", False),
    ],
)
def test_secondary_keys(found: list[str], logic: Any, expected: bool) -> None:
    one = entry("lighthouse", secondary_keys=tuple(found), logic=logic)
    assert bool(active(one)) is expected


@pytest.mark.parametrize(
    ("key", "fields", "expected"),
    [
        ("house", {}, True),
        ("house", {"whole_words": True}, False),
        ("LIGHTHOUSE", {"whole_words": True}, True),
        ("lighthouse", {"case_sensitive": True}, False),
        ("灯塔", {"whole_words": True}, True),
        ("塔黑", {"whole_words": True}, True),
        ("/light(house|ship)/i", {}, True),
        ("/light(house|ship)/", {}, False),
        ("^why\\?$", {"uses_regex": True}, False),
        ("why\\?$", {"uses_regex": True}, True),
        ("/(?=x)/", {}, False),
        ("{{user}}", {}, False),
    ],
)
def test_how_keys_match(key: str, fields: dict[str, Any], expected: bool) -> None:
    assert bool(active(entry(key, **fields))) is expected


def test_a_refused_pattern_is_told_of() -> None:
    [one] = scan(entry(r"/(a)\1/")).passed_over
    assert one.reason == "pattern"
    assert "refers back" in one.detail


def test_scan_depth_limits_where_keys_are_sought() -> None:
    assert active(entry("lighthouse", scan_depth=2)) == []
    assert active(entry("lighthouse", scan_depth=3)) == ["lighthouse"]
    assert active(entry("why", scan_depth=0)) == []


def test_constant_and_disabled() -> None:
    assert active(entry("c", is_constant=True), entry("why", enabled=False)) == ["c"]
    assert active(entry("why", content=" \n")) == []


def test_lore_wakes_lore_within_limits() -> None:
    chain = [
        entry("why", content="a1"),
        *(entry(f"a{i}", content=f"a{i + 1}") for i in range(1, 30)),
    ]
    assert active(*chain) == ["why"]
    woken = scan(*chain, is_recursive=True).active
    assert 3 < len(woken) < 15
    assert (woken[2].reason, woken[2].activated_by) == ("recursion", "a1")
    loop = [entry("why", content="loop"), entry("loop", content="why loop")]
    assert len(active(*loop, is_recursive=True)) == 2


def test_recursion_flags() -> None:
    first = entry("why", content="deep")
    last = entry("deep")
    assert active(first, last, is_recursive=True) == ["why", "deep"]
    assert active(replace(first, activates_others=False), last, is_recursive=True) == ["why"]
    assert active(first, replace(last, is_recursable=False), is_recursive=True) == ["why"]
    waits = entry("dark", "deep", waits_for_recursion=True)
    assert active(waits) == []
    assert active(first, waits, is_recursive=True) == ["why", "dark"]


def test_the_budget_drops_the_lowest_priority_and_says_so() -> None:
    entries = [
        entry("why", content="x" * 6, priority=1),
        entry("dark", content="y" * 6, priority=9),
        entry("k", content="z" * 4, is_constant=True, priority=0),
    ]
    report = scan(*entries, token_budget=10)
    assert [one.entry.label for one in report.active] == ["dark", "k"]
    assert [(one.entry.label, one.reason) for one in report.passed_over] == [("why", "budget")]
    assert (report.tokens, report.budget) == (10, 10)
    assert scan(*entries, budget=0).active == ()
    assert scan(*entries, token_budget=10, budget=4).tokens == 4


def test_order_decides_the_place_and_the_book_s_order_the_rest() -> None:
    entries = [entry("why", order=20), entry("dark", order=10), entry("look", order=20)]
    assert active(*entries) == ["dark", "why", "look"]


def test_chance_is_drawn_by_the_seed() -> None:
    maybe = entry("why", probability=50)
    draws = [bool(active(maybe, seed=seed)) for seed in range(60)]
    assert 15 < sum(draws) < 45
    assert draws == [bool(active(maybe, seed=seed)) for seed in range(60)]
    assert active(entry("why", probability=0)) == []


def test_sticky_cooldown_and_delay_count_messages() -> None:
    one = entry("lighthouse", scan_depth=1, sticky=2, cooldown=2)
    state = scan(one, chat=CHAT[:1]).state
    assert state == LoreState({"0": 1})
    assert scan(one, chat=CHAT, state=state).active[0].reason == "sticky"
    assert (
        scan(one, chat=("", "", "", "", "lighthouse"), state=state).passed_over[0].reason
        == "cooldown"
    )
    assert active(one, chat=("", "", "", "", "", "lighthouse"), state=state) == ["lighthouse"]
    assert scan(entry("why", delay=9)).passed_over[0].reason == "delay"


@pytest.mark.parametrize("head", ["", "@@dont_activate_after_match\n"])
def test_other_lore_does_not_wake_what_rests(head: str) -> None:
    first = entry("why", content="deep")
    resting = entry("deep", content=f"{head}lore", cooldown=0 if head else 5)
    told = {"is_recursive": True, "state": LoreState({"1": 2})}
    assert active(first, resting, is_recursive=True) == ["why", "deep"]
    assert active(first, resting, **told) == ["why"]
    report = scan(first, entry("deep", delay=9), is_recursive=True)
    assert [(one.entry.label, one.reason) for one in report.passed_over] == [("deep", "delay")]


def test_in_a_chat_that_was_cut_back_what_came_later_is_forgotten() -> None:
    one = entry("why", scan_depth=1, sticky=2)
    state = scan(one, state=LoreState({"0": 30})).state
    assert state == LoreState({"0": 3})
    longer = (*CHAT, "so", "and")
    assert scan(one, chat=longer, state=state).active[0].reason == "sticky"


@pytest.mark.parametrize("stamp", ["2", None, -1, [1]])
def test_a_memory_that_is_none_is_no_memory(stamp: Any) -> None:
    assert scan(entry("why", sticky=9), state=LoreState({"0": stamp})).active[0].reason == "key"


def test_secondary_keys_of_a_card_are_asked_only_where_it_is_selective() -> None:
    raw: Any = {"keys": ["a"], "secondary_keys": ["b"], "content": "c"}
    for selective, keys in ((None, ()), (False, ()), (True, ("b",))):
        said = {} if selective is None else {"selective": selective}
        book = lorebook_of_json({"entries": [raw | said]})
        assert book.entries[0].secondary_keys == keys
        assert lorebook_json(book)["entries"] == [raw | said]


def test_of_a_group_one_wins() -> None:
    entries = [entry(key, group="g") for key in ("why", "dark", "look")]
    assert len(active(*entries)) == 1
    entries[1] = replace(entries[1], group_override=True)
    assert active(*entries) == ["dark"]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("@@activate", True),
        ("@@dont_activate", False),
        ("@@activate_only_after 1", True),
        ("@@activate_only_after 2", False),
        ("@@activate_only_every 2", False),
        ("@@exclude_keys ship, dark", False),
        ("@@additional_keys ship", False),
        ("@@is_greeting 1", False),
        ("@@unheard_of 3\n@@@dont_activate", False),
        ("@@depth 3\n@@@dont_activate", True),
        ("@@unheard_of", True),
    ],
)
def test_decorators_decide(head: str, expected: bool) -> None:
    one = entry("why" if head != "@@activate" else "nowhere", content=f"{head}\n\nlore")
    report = scan(one, greeting_index=0)
    assert bool(report.active) is expected
    assert all(found.text == "lore" for found in report.active)


def test_decorators_place() -> None:
    [one] = scan(entry("why", content="@@depth 3\n@@role user\n@@position nowhere\nlore")).active
    assert (one.entry.where, one.entry.depth, one.entry.role) == ("at_depth", 3, Role.USER)
    [two] = scan(entry("why", content="@@depth 3\n@@position before_desc\nlore")).active
    assert two.entry.where == "before_char"


WORLD = {
    "entries": {
        "0": {
            "uid": 4,
            "key": ["night"],
            "keysecondary": ["sea"],
            "comment": "Night",
            "content": "n",
            "selective": True,
            "selectiveLogic": 3,
            "order": 50,
            "position": 4,
            "depth": 2,
            "role": 2,
            "disable": True,
            "excludeRecursion": True,
            "preventRecursion": True,
            "probability": 30,
            "useProbability": True,
            "sticky": 3,
            "cooldown": None,
            "matchWholeWords": None,
            "caseSensitive": True,
            "scanDepth": 6,
            "group": "g",
            "unknown": [1],
        }
    }
}


def test_a_sillytavern_world_is_read_and_becomes_a_lorebook(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    path.write_text(json.dumps(WORLD))
    book = read_lorebook(path)
    assert book.entries == (
        LoreEntry(
            id="4",
            name="Night",
            content="n",
            keys=("night",),
            secondary_keys=("sea",),
            logic="and_all",
            order=50,
            where="at_depth",
            depth=2,
            role=Role.ASSISTANT,
            enabled=False,
            is_recursable=False,
            activates_others=False,
            probability=30,
            sticky=3,
            case_sensitive=True,
            scan_depth=6,
            group="g",
        ),
    )
    path.write_bytes(lorebook_bytes(book))
    assert read_lorebook(path) == book
    path.write_text("{}")
    with pytest.raises(CardError, match="no lorebook"):
        read_lorebook(path)


ENTRIES = st.builds(
    LoreEntry,
    name=st.sampled_from(["", "n"]),
    content=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5),
    keys=st.lists(st.sampled_from(["a", "/b/i"]), max_size=2).map(tuple),
    secondary_keys=st.lists(st.sampled_from(["c", "d"]), max_size=2).map(tuple),
    logic=st.sampled_from(["and_any", "not_all", "not_any", "and_all"]),
    enabled=st.booleans(),
    is_constant=st.booleans(),
    case_sensitive=st.none() | st.booleans(),
    whole_words=st.none() | st.booleans(),
    scan_depth=st.none() | st.integers(0, 9),
    priority=st.none() | st.integers(-9, 9),
    where=st.sampled_from(["before_char", "after_char", "at_depth"]),
    role=st.sampled_from(list(Role)),
    probability=st.integers(0, 100),
    sticky=st.integers(0, 5),
    waits_for_recursion=st.booleans(),
    is_recursable=st.booleans(),
)


@given(st.lists(ENTRIES, max_size=3), st.booleans(), st.none() | st.integers(1, 99))
def test_any_lorebook_is_written_and_read_equal(
    entries: list[LoreEntry], is_recursive: bool, token_budget: int | None
) -> None:
    numbered = tuple(replace(one, id=str(index)) for index, one in enumerate(entries))
    book = Lorebook("b", "", numbered, 3, token_budget, is_recursive)
    assert lorebook_of_json(lorebook_json(book)) == book


def test_a_changed_entry_keeps_what_we_do_not_know() -> None:
    raw: Any = {
        "x": 1,
        "entries": [{"keys": ["a"], "content": "b", "y": [2], "extensions": {"z": 3}}],
    }
    book = lorebook_of_json(raw)
    assert lorebook_json(book) is raw
    changed = replace(book, entries=(replace(book.entries[0], content="new", sticky=2),))
    written: Any = lorebook_json(changed)
    assert written["x"] == 1
    assert written["entries"][0] | {"id": 0} == {
        "keys": ["a"],
        "content": "new",
        "y": [2],
        "enabled": True,
        "insertion_order": 100,
        "extensions": {"z": 3, "sticky": 2},
        "id": 0,
    }
    assert lorebook_of_json(written) == changed


def test_thousands_of_entries_are_asked_in_a_moment() -> None:
    entries = [
        entry(f"key{i}", f"词{i}", f"/k(e|x)y{i}$/i", content="w " * 250, whole_words=True)
        for i in range(1000)
    ]
    start = time.perf_counter()
    report = scan(*entries, chat=("word " * 200, "key77 and word", "Why? " * 200), budget=900)
    assert time.perf_counter() - start < 45
    assert [one.entry.label for one in report.active] == ["key77"]
    assert report.passed_over == ()


def test_millions_of_keys_cost_a_turn_no_more_than_its_bound() -> None:
    many = entry(*(f"no{i}" for i in range(1_200_000)))
    report = scan(many, chat=("word " * 200,))
    assert report.passed_over[0].reason == "pattern"


def test_hostile_patterns_cost_a_turn_no_more_than_its_bound() -> None:
    entries = [entry(f"/(a?){{900}}a{{900}}{i}/") for i in range(500)]
    start = time.perf_counter()
    report = scan(*entries, chat=("a" * 50_000,))
    assert time.perf_counter() - start < 100
    assert report.active == ()
    assert "too much work" in report.passed_over[-1].detail
