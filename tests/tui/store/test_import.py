# SPDX-License-Identifier: Apache-2.0
"""Import: other programs' files as their rules have them, and every way of being wrong."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.tui.store.conftest import exchange
from yuren_core.errors import UsageError
from yuren_tui.store import Store
from yuren_tui.store.transfer import Limits, export_chats, import_file


def node(
    parent: str | None, role: str = "", text: str = "", *children: str, **message: Any
) -> dict[str, Any]:
    said = None
    if role:
        said = {
            "author": {"role": role},
            "content": {"content_type": "text", "parts": [text]},
            "create_time": 1_700_000_000.25,
            "recipient": "all",
            "metadata": {},
            **message,
        }
    return {"parent": parent, "children": list(children), "message": said}


def conversation(mapping: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {
        "title": "Sky",
        "create_time": 1_700_000_000.0,
        "update_time": 1_700_000_100.5,
        "conversation_id": "c-1",
        "current_node": "a2",
        "mapping": mapping,
        **values,
    }


def written(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def shown(store: Store, chat_id: int) -> list[tuple[str, str]]:
    return [(m.role.value, m.text) for m in store.messages.path(chat_id)]


HIDDEN = {"is_visually_hidden_from_conversation": True}
BRANCHED = {
    "root": node(None, "", "", "sys"),
    "sys": node(
        "root", "system", "", "u1", metadata={"is_visually_hidden_from_conversation": True}
    ),
    "u1": node("sys", "user", "why?", "a2", "a1"),
    "a1": node("u1", "assistant", "because"),
    "a2": node("u1", "assistant", "air", metadata={"model_slug": "gpt-x"}),
}


def test_chatgpt_branches_are_kept_in_their_order(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path / "conversations.json", [conversation(BRANCHED)])
    report = import_file(store, path)
    (chat_id,) = report.imported
    assert shown(store, chat_id) == [("user", "why?"), ("assistant", "air")]
    chat = store.chats.get(chat_id)
    assert (chat.title, chat.is_title_set) == ("Sky", True)
    assert chat.updated_at == datetime.fromtimestamp(1_700_000_100.5, UTC)
    answer = store.messages.path(chat_id)[-1]
    assert (answer.model, answer.extras) == ("gpt-x", {})
    assert (answer.sibling_index, answer.sibling_count) == (1, 2)
    assert import_file(store, path).duplicates == [chat_id]
    grown = {**BRANCHED, "u3": node("a2", "user", "more"), "odd": node("gone", "user", "stray")}
    again = import_file(store, written(path, [conversation(grown)]))
    assert len(again.imported) == 1  # it went on there: imported beside


def test_chatgpt_what_was_never_seen_is_left_out(store: Store, tmp_path: Path) -> None:
    mapping = {
        "root": node(None),
        "u": node("root", "user", "draw"),
        "thought": node("u", "assistant", "", content={"content_type": "thoughts", "thoughts": []}),
        "say": node("thought", "assistant", "I will."),
        "call": node("say", "assistant", "{}", recipient="tool.x"),
        "tool": node("call", "tool", "result"),
        "a2": node(
            "tool",
            "assistant",
            content={
                "content_type": "multimodal_text",
                "parts": ["Here:", {"content_type": "image_asset_pointer", "asset_pointer": "x"}],
            },
        ),
        "code": node(
            "a2",
            "user",
            content={"content_type": "code", "language": "python", "text": "print(1)"},
        ),
    }
    path = written(tmp_path / "c.json", [conversation(mapping)])
    (chat_id,) = import_file(store, path).imported
    assert shown(store, chat_id) == [
        ("user", "draw"),
        ("assistant", "I will.\n\nHere:\n\n[picture, not part of the export]"),
        ("user", "```python\nprint(1)\n```"),
    ]


def test_chatgpt_branches_below_what_was_never_seen_stay_branches(
    store: Store, tmp_path: Path
) -> None:
    mapping = {
        "u": node(None, "user", "draw"),
        "say": node("u", "assistant", "I will."),
        "one": node("say", "assistant", "{}", recipient="tool.x"),
        "a2": node("one", "assistant", "a boat"),
        "two": node("say", "assistant", "{}", recipient="tool.x"),
        "b2": node("two", "assistant", "a bird"),
    }
    (chat_id,) = import_file(store, written(tmp_path / "c.json", [conversation(mapping)])).imported
    assert shown(store, chat_id) == [
        ("user", "draw"),
        ("assistant", "I will."),
        ("assistant", "a boat"),
    ]
    assert len(store.messages.tree(chat_id)) == 4


def test_chatgpt_s_zip_is_read_and_a_single_conversation_too(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("user.json", "{}")
        archive.writestr("conversations-000.json", json.dumps([conversation(BRANCHED)]))
        archive.writestr(
            "conversations-001.json", json.dumps([conversation(BRANCHED, conversation_id="c-2")])
        )
    assert len(import_file(store, path).imported) == 2
    single = written(tmp_path / "one.json", conversation(BRANCHED, conversation_id="c-3"))
    assert len(import_file(store, single).imported) == 1
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("user.json", "{}")
    with pytest.raises(UsageError, match="no export"):
        import_file(store, path)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"title": "x"}, "neither `conversations` or `messages`"),
        ({"conversations": [{"from": "tool", "value": "x"}]}, '`from` is "tool"'),
        ({"conversations": [{"from": "human", "value": 5}]}, "`value` is 5"),
        ({"conversations": []}, "no message"),
        (conversation({}), "no message"),
        (conversation({"u": node(None, "user", "hi")}, title=5), "`title` is 5"),
        (conversation({"u": []}), "an object is expected, not array"),
        (conversation({"u": 5}), "an object is expected, not 5"),
        (conversation({"u": {"parent": ["x"], "message": None}}), "`parent` is array"),
        (conversation({"a": node("b", "user", "x"), "b": node("a", "user", "y")}), "circle"),
        (conversation({"u": node(None, "user", "x" * 101)}), "more than 100 characters"),
        (["not", "a", "chat"], "an object is expected, not array"),
        (7, "an object is expected, not 7"),
        (conversation({"u": {"parent": None, "message": "x"}}), "`message` is"),
    ],
)
def test_a_bad_chat_is_told_with_its_line_and_the_others_come_in(
    store: Store, tmp_path: Path, bad: object, reason: str
) -> None:
    good = [conversation(BRANCHED, conversation_id=str(i)) for i in range(2)]
    lines = ",\n".join(json.dumps(item) for item in (good[0], bad, good[1]))
    path = tmp_path / "conversations.json"
    path.write_text(f"[\n{lines}\n]", encoding="utf-8")
    report = import_file(store, path, limits=Limits(text=100))
    assert len(report.imported) == 2
    (fault,) = report.faults
    assert f"{path}, line 3, chat 2: " in fault
    assert reason in fault


@pytest.mark.parametrize(
    "end", ["", ",", ", {", ', {"a": nul}]', "] ", ", NaN]", f", {'[' * 100_000}"]
)
def test_of_a_file_that_is_cut_off_the_whole_chats_come_in(
    store: Store, tmp_path: Path, end: str
) -> None:
    path = tmp_path / "conversations.json"
    path.write_text("[" + json.dumps(conversation(BRANCHED)) + end, encoding="utf-8")
    report = import_file(store, path)
    assert len(report.imported) == 1
    assert len(report.faults) == (0 if end == "] " else 1)


def test_of_our_own_file_cut_off_the_whole_chats_come_in(store: Store, tmp_path: Path) -> None:
    ids = [store.chats.create().id for _ in range(3)]
    for chat_id in ids:
        exchange(store, chat_id, f"q{chat_id}", "a")
    path = tmp_path / "chats.json"
    export_chats(store, ids, path, "json")
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: len(text) * 9 // 10], encoding="utf-8")
    with Store.open(tmp_path / "elsewhere") as other:
        report = import_file(other, path)
        assert len(report.imported) == 2
        assert len(report.faults) == 1
        assert "chat 3" in report.faults[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"messages": []}, "no message"),
        ({"messages": 3}, "`messages` is 3; array"),
        ({"messages": [{"role": "user", "text": "a", "parent": 0}]}, "message 0"),
        ({"messages": [{"role": "user", "text": "a", "parent": True}]}, "`parent` is true"),
        ({"messages": [{"role": "god", "text": "a"}]}, '`role` is "god"'),
        ({"messages": [{"role": "user", "text": "a", "status": "writing"}]}, "`status`"),
        ({"messages": [{"role": "user", "text": None, "images": ["ab"]}]}, "picture"),
        ({"messages": [{"role": "user", "text": "a"}], "active": 4}, "message 4"),
        ({"messages": [{"role": "user", "text": "a"}], "pictures": {"ab": {"data": "x"}}}, "64"),
        ({"messages": [{"role": "user", "text": "a"}], "pictures": {"ab": {"data": ""}}}, "hash"),
        ({"messages": [{"role": "user", "text": "a"}], "created_at": "soon"}, "ISO 8601"),
    ],
)
def test_what_is_wrong_in_our_own_file_is_named(
    store: Store, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    path = written(tmp_path / "x.json", {"version": 1, "format": "yuren-chats", "chats": [change]})
    report = import_file(store, path)
    assert report.imported == []
    assert reason in report.faults[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"hello", "not JSON"),
        (b"{}", "no export"),
        (b'{"format": "yuren-chats", "version": 99, "chats": []}', "newer yuren"),
        (b'{"version": 99, "format": "yuren-chats", "chats": []}', "newer yuren"),
        (b'{"version": 1, "format": "yuren-chats", "chats": 5}', "no export"),
        (b"[\n\xff]", "line 2: this is not UTF-8"),
        (b"PK\x03\x04 cut off", "not JSON"),
        (b"x" * 2000, "larger than"),
    ],
)
def test_a_file_that_is_no_export_is_refused(
    store: Store, tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        import_file(store, path, limits=Limits(file_bytes=1000))
    assert store.chats.page() == []


def test_a_file_that_is_not_there_is_told(store: Store, tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageError, match="cannot read"):
            import_file(store, path)


# ---------------------------------------------------------------- SillyTavern

HEADER = {"user_name": "Ann", "character_name": "Bō", "create_date": "2024-1-2 @03h 04m 05s 6ms"}


def jsonl(path: Path, *lines: object) -> Path:
    path.write_text(
        "\n".join(
            line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)
            for line in lines
        ),
        encoding="utf-8",
    )
    return path


def test_sillytavern_swipes_are_siblings_and_the_talk_goes_on_below_the_shown_one(
    store: Store, tmp_path: Path
) -> None:
    path = jsonl(
        tmp_path / "Bō - 2024.jsonl",
        HEADER,
        {
            "name": "Bō",
            "is_user": False,
            "mes": "Hello, *smiles*",
            "send_date": "January 2, 2024 3:04am",
            "swipes": ["Hi", "Hello", "Yo"],
            "swipe_id": 1,
        },
        {"name": "Ann", "is_user": True, "mes": "line\u2028sep", "send_date": 1704164700000},
        {"name": "System", "is_user": False, "is_system": True, "mes": "hidden"},
        {"name": "Bō", "is_user": False, "mes": "Ok", "send_date": "2024-01-02T03:06:00.123Z"},
    )
    report = import_file(store, path)
    (chat_id,) = report.imported
    assert shown(store, chat_id) == [
        ("assistant", "Hello, *smiles*"),
        ("user", "line\u2028sep"),
        ("assistant", "Ok"),
    ]
    first, second, third = store.messages.path(chat_id)
    assert (first.sibling_index, first.sibling_count, first.speaker) == (2, 3, "Bō")
    assert first.created_at == datetime(2024, 1, 2, 3, 4, tzinfo=UTC)
    assert second.created_at == datetime(2024, 1, 2, 3, 5, tzinfo=UTC)
    assert third.created_at == datetime(2024, 1, 2, 3, 6, 0, 123000, tzinfo=UTC)
    assert {m.text for m in store.messages.tree(chat_id)} >= {"Hi", "Yo"}
    assert store.chats.get(chat_id).title == "Bō"
    assert "1 hidden" in report.notes[0]
    assert import_file(store, path).duplicates == [chat_id]


def test_sillytavern_a_bad_line_is_told_and_the_rest_comes_in(store: Store, tmp_path: Path) -> None:
    good = {"name": "Ann", "is_user": True, "mes": "hi"}
    path = jsonl(
        tmp_path / "x.jsonl",
        HEADER,
        good,
        '{"mes": ',
        "",
        {"name": "Bō", "is_user": "no", "mes": "x"},
        {"name": "Bō", "is_user": False, "mes": "bye", "swipes": ["other"], "swipe_id": 9},
        '{"name": "Bō", "is_user": fal',
    )
    report = import_file(store, path)
    assert shown(store, report.imported[0]) == [("user", "hi"), ("assistant", "bye")]
    assert [fault.split(": ")[0] for fault in report.faults] == [
        f"{path}, line {line}" for line in (3, 5, 7)
    ]


def test_sillytavern_s_oldest_chats_have_no_header(store: Store, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "old.jsonl", {"name": "A", "is_user": True, "mes": "hi"})
    (chat_id,) = import_file(store, path).imported
    assert store.chats.get(chat_id).title == "old"
    assert import_file(store, jsonl(tmp_path / "empty.jsonl", HEADER)).faults


@pytest.mark.parametrize(
    "header",
    [
        {"chat_metadata": {}, "user_name": "unused", "character_name": "unused"},
        {"chat_metadata": {"note_prompt": ""}},
    ],
)
def test_sillytavern_s_newer_headers_name_nobody_so_the_messages_do(
    store: Store, tmp_path: Path, header: dict[str, object]
) -> None:
    lines = [
        {"name": "Ann", "is_user": True, "mes": "hi"},
        {"name": "Bō", "is_user": False, "mes": "yes?"},
    ]
    path = jsonl(tmp_path / "Bō - 2026-01-02.jsonl", header, *lines)
    chat = store.chats.get(import_file(store, path).imported[0])
    assert chat.title == "Bō"
    assert (chat.extras["user_name"], chat.extras["character_name"]) == ("Ann", "Bō")
