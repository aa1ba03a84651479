# SPDX-License-Identifier: Apache-2.0
"""Rows for training: written as the file's name says, one for each system prompt, and read back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.tui.store.conftest import exchange
from yuren_core.messages import Role
from yuren_train.data.schema import Place, Row, parse_row
from yuren_tui.store import Store
from yuren_tui.store.transfer import export_chats, import_file

ROW = {
    "conversations": [
        {"from": "system", "value": "Be brief."},
        {"from": "human", "value": "<image>\nWhat is this?"},
        {"from": "gpt", "value": "A cat."},
    ],
    "image": "cat.png",
}


def later() -> None:
    """Times are kept to the millisecond."""
    time.sleep(0.003)


def rows_in(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return list(json.loads(text))


def told_twice(store: Store) -> int:
    """A chat whose system prompt was changed after the first answer."""
    chat_id = store.chats.create(system_prompt="Be brief.").id
    exchange(store, chat_id, "q1", "a1")
    later()
    store.chats.update(chat_id, system_prompt="Speak as a pirate.")
    later()
    exchange(store, chat_id, "q2", "a2, arr")
    return chat_id


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "ROWS.JSONL"])
def test_the_trainer_takes_what_is_exported(store: Store, tmp_path: Path, name: str) -> None:
    chat_ids = [told_twice(store), told_twice(store)]
    result = export_chats(store, chat_ids, tmp_path / name, "training")
    assert result.chat_count == 2
    text = result.path.read_text(encoding="utf-8")
    assert text.startswith("[") == (name == "rows.json")
    rows = rows_in(result.path.rename(tmp_path / name.lower()))
    assert len(rows) == 4
    place = Place(result.path, 1, 1)
    assert all(isinstance(parse_row(row, place), Row) for row in rows)


def test_no_answer_is_learned_under_words_that_it_was_not_told(
    store: Store, tmp_path: Path
) -> None:
    result = export_chats(store, [told_twice(store)], tmp_path / "rows.jsonl", "training")
    told = [[turn["value"] for turn in row["conversations"]] for row in rows_in(result.path)]
    assert told == [["Be brief.", "q1", "a1"], ["Speak as a pirate.", "q2", "a2, arr"]]
    (note,) = result.notes
    assert "2 rows" in note


def test_an_answer_that_was_drawn_again_was_told_what_was_in_use_then(
    store: Store, tmp_path: Path
) -> None:
    chat_id = store.chats.create().id
    (_, answer) = exchange(store, chat_id, "q1", "a1")
    later()
    store.chats.update(chat_id, system_prompt="Speak as a pirate.")
    later()
    again = store.messages.retry(answer.id)
    store.messages.finish(again.id, "arr", "done")
    path = tmp_path / "rows.jsonl"
    export_chats(store, [chat_id], path, "training")
    (row,) = rows_in(path)
    assert [t["value"] for t in row["conversations"]] == ["Speak as a pirate.", "q1", "arr"]
    store.messages.select(answer.id)
    export_chats(store, [chat_id], path, "training")
    (row,) = rows_in(path)
    assert [t["value"] for t in row["conversations"]] == ["q1", "a1"]


def test_markdown_shows_a_change_where_it_happened(store: Store, tmp_path: Path) -> None:
    chat_id = told_twice(store)
    later()
    store.chats.update(chat_id, system_prompt="")
    later()
    exchange(store, chat_id, "q3", "a3")
    export_chats(store, [chat_id], tmp_path / "chat.md", "markdown")
    text = (tmp_path / "chat.md").read_text(encoding="utf-8")
    places = [
        text.index(words)
        for words in (
            *("> **System prompt**\n>\n> Be brief.", "q1", "a1"),
            *("> **System prompt from here on**\n>\n> Speak as a pirate.", "q2", "a2"),
            *("> **System prompt from here on**\n>\n> (none)", "q3", "a3"),
        )
    ]
    assert places == sorted(places)


def test_another_preset_in_mid_chat_is_told_from_there(store: Store, tmp_path: Path) -> None:
    chat_id = store.chats.create(preset={"id": "a"}).id
    exchange(store, chat_id, "q1", "a1")
    later()
    store.chats.update(chat_id, preset={"id": "b"})
    later()
    exchange(store, chat_id, "q2", "a2")
    path = tmp_path / "chat.json"
    export_chats(store, [chat_id], path, "json")
    with Store.open(tmp_path / "elsewhere") as other:
        (there,) = import_file(other, path).imported
        done = export_chats(
            other,
            [there],
            tmp_path / "rows.jsonl",
            "training",
            told=lambda record: f"I am {(record.preset or {})['id']}.",
        )
    assert [row["conversations"][0]["value"] for row in rows_in(done.path)] == [
        "I am a.",
        "I am b.",
    ]


def test_a_greeting_is_no_answer_to_learn(store: Store, tmp_path: Path) -> None:
    chat_id = store.chats.create().id
    store.messages.append(chat_id, Role.ASSISTANT, "Welcome.")
    exchange(store, chat_id, "q", "a")
    result = export_chats(store, [chat_id], tmp_path / "rows.json", "training")
    (row,) = rows_in(result.path)
    assert [turn["value"] for turn in row["conversations"]] == ["q", "a"]
    (note,) = result.notes
    assert "begin with a question" in note


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_exported_rows_are_chats_again(
    store: Store, picture: Path, tmp_path: Path, name: str
) -> None:
    chat_id = store.chats.create(system_prompt="Be brief.").id
    store.messages.append(chat_id, Role.USER, "\nWhat <image> is?\n")
    store.messages.append(chat_id, Role.ASSISTANT, "A cat.\u2028")
    other = store.chats.create().id
    image = store.pictures.keep(picture)
    store.messages.append(other, Role.USER, "And this?", images=[image, image])
    store.messages.append(other, Role.ASSISTANT, "")
    store.messages.append(other, Role.ASSISTANT, "Two.")
    export_chats(store, [chat_id, other], tmp_path / name, "training")
    with Store.open(tmp_path / "elsewhere") as there:
        report = import_file(there, tmp_path / name)
        assert (report.faults, len(report.imported)) == ([], 2)
        first, second = report.imported
        assert there.chats.get(first).system_prompt == "Be brief."
        said = [message.text for message in there.messages.path(first)]
        assert said == ["\nWhat <image> is?\n", "A cat.\u2028"]
        asked, answer = there.messages.path(second)
        assert (asked.text, answer.text) == ("And this?", "Two.")
        assert [part.sha256 for part in asked.images] == [image.sha256] * 2
        assert there.chats.get(second).title
        again = import_file(there, tmp_path / name)
        assert (again.imported, again.duplicates) == ([], report.imported)


def test_rows_of_other_programs_are_read(store: Store, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(picture.read_bytes())
    openai = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": word} for word in ("hi", "you")]},
            {"role": "assistant", "content": "hello"},
        ]
    }
    path = tmp_path / "rows.jsonl"
    lines = [{"__comment__": "ours"}, ROW, "{", openai]
    path.write_text("\n\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    report = import_file(store, path)
    first, second = report.imported
    question, answer = store.messages.path(first)
    assert (question.text, len(question.images), answer.text) == ("What is this?", 1, "A cat.")
    assert [message.text for message in store.messages.path(second)] == ["hi\nyou", "hello"]
    (fault,) = report.faults
    assert "line 5" in fault


@pytest.mark.parametrize(
    "place", ["../secret.png", "{outside}", "https://x.test/a.png", "a.txt", "\0"]
)
def test_rows_do_not_choose_what_is_read_of_this_machine(
    store: Store, picture: Path, tmp_path: Path, place: str
) -> None:
    directory = tmp_path / "theirs"
    directory.mkdir()
    (tmp_path / "secret.png").write_bytes(picture.read_bytes())
    (directory / "a.txt").write_text("no picture")
    row = ROW | {"image": place.format(outside=tmp_path / "secret.png")}
    (directory / "rows.json").write_text(json.dumps([row]))
    report = import_file(store, directory / "rows.json")
    question = store.messages.path(report.imported[0])[0]
    assert question.images == ()
    assert question.text == "[picture, not part of the export]\nWhat is this?"
