# SPDX-License-Identifier: Apache-2.0
"""Trees of messages: branches, their counters, deleting with undo, answers being written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.store.conftest import exchange
from yuren_core.errors import ImageError, UsageError
from yuren_core.messages import ImagePart, Message, Role
from yuren_tui.store import Store


def texts(store: Store, chat_id: int) -> list[str]:
    return [message.text for message in store.messages.path(chat_id)]


def test_a_conversation_is_a_path_in_the_order_it_was_said(store: Store) -> None:
    chat_id = store.chats.create().id
    exchange(store, chat_id, "q1", "a1")
    exchange(store, chat_id, "q2", "a2")
    path = store.messages.path(chat_id)
    assert [(m.role.value, m.text, m.status) for m in path] == [
        ("user", "q1", "done"),
        ("assistant", "a1", "done"),
        ("user", "q2", "done"),
        ("assistant", "a2", "done"),
    ]
    assert path[1].stats == {"completion_tokens": 3}
    assert path[1].model == "starter"
    assert path[0].message == Message.of(Role.USER, "q1")
    assert [m.parent_id for m in path] == [None, *(m.id for m in path[:-1])]
    assert store.chats.get(chat_id).active_leaf == path[-1].id


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("a\0b\x1b[31m\u2028<|im_end|>\r\n\ufeff", None),
        ("lone \ud800 and \udfff", "lone \ufffd and \ufffd"),
        ("pair \ud83d\ude00", "pair 😀"),
        ("", None),
        ("好" * 100_000, None),
    ],
)
def test_text_comes_back_exactly_but_for_lone_surrogates(
    store: Store, given: str, stored: str | None
) -> None:
    chat_id = store.chats.create(system_prompt=given).id
    message = store.messages.append(chat_id, Role.USER, given, speaker=given)
    wanted = given if stored is None else stored
    assert (message.text, message.speaker) == (wanted, wanted)
    assert store.chats.get(chat_id).system_prompt == wanted


def test_retry_adds_a_sibling_and_the_counter_says_so(store: Store) -> None:
    chat_id = store.chats.create().id
    _, first = exchange(store, chat_id, "q", "a1")
    second = store.messages.retry(first.id, model="other")
    assert (second.status, second.text, second.parent_id) == ("writing", "", first.parent_id)
    store.messages.finish(second.id, "a2", "done")
    third = store.messages.finish(store.messages.retry(first.id).id, "a3", "stopped")
    assert (third.sibling_index, third.sibling_count) == (3, 3)
    assert store.messages.siblings(first.id) == (first.id, second.id, third.id)
    assert store.messages.step(third.id, -1) == second.id
    assert texts(store, chat_id) == ["q", "a2"]
    assert store.messages.step(second.id, -5) == first.id
    assert store.messages.get(first.id).text == "a1"


def test_edit_adds_a_sibling_and_switching_returns_to_the_newest_leaf(store: Store) -> None:
    chat_id = store.chats.create().id
    question, answer = exchange(store, chat_id, "q", "a")
    exchange(store, chat_id, "more", "and more")
    edited = store.messages.edit(question.id, "q, otherwise")
    assert texts(store, chat_id) == ["q, otherwise"]
    assert (edited.sibling_index, edited.sibling_count) == (2, 2)
    store.messages.select(question.id)
    assert texts(store, chat_id) == ["q", "a", "more", "and more"]
    store.messages.edit(answer.id, "a, in my words")
    assert texts(store, chat_id) == ["q", "a, in my words"]
    assert len(store.messages.tree(chat_id)) == 6


def test_continuing_adds_a_sibling_that_begins_with_the_old_words(store: Store) -> None:
    chat_id = store.chats.create().id
    _, cut = exchange(store, chat_id, "q", "once upon")
    longer = store.messages.resume(cut.id)
    assert (longer.text, longer.status) == ("once upon", "writing")
    store.messages.finish(longer.id, "once upon a time", "done")
    assert store.messages.get(cut.id).text == "once upon"
    assert store.messages.get(longer.id).extras == {"continues": cut.id}
    assert texts(store, chat_id) == ["q", "once upon a time"]


def test_deleting_shows_the_nearest_alternative_and_undo_brings_all_back(store: Store) -> None:
    chat_id = store.chats.create().id
    _, first = exchange(store, chat_id, "q", "a1")
    second = store.messages.retry(first.id)
    store.messages.finish(second.id, "a2", "done")
    store.messages.append(chat_id, Role.USER, "go on")
    deletion = store.messages.delete(second.id)
    assert deletion.message_count == 2
    assert texts(store, chat_id) == ["q", "a1"]
    assert store.messages.get(first.id).sibling_count == 1
    store.messages.undo(deletion)
    assert texts(store, chat_id) == ["q", "a2", "go on"]


def test_deleting_the_only_branch_falls_back_to_its_parent(store: Store) -> None:
    chat_id = store.chats.create().id
    question, answer = exchange(store, chat_id, "q", "a")
    store.messages.delete(answer.id)
    assert texts(store, chat_id) == ["q"]
    store.messages.delete(question.id)
    assert texts(store, chat_id) == []
    assert store.chats.get(chat_id).active_leaf is None
    again = store.messages.append(chat_id, Role.USER, "anew")
    assert again.parent_id is None
    with pytest.raises(UsageError):
        store.messages.delete(answer.id)
    with pytest.raises(UsageError):
        store.messages.append(chat_id, Role.USER, "x", parent_id=answer.id)


def test_undoing_inside_a_later_deletion_waits_for_that_one(store: Store) -> None:
    chat_id = store.chats.create().id
    question, answer = exchange(store, chat_id, "q", "a")
    inner = store.messages.delete(answer.id)
    outer = store.messages.delete(question.id)
    store.messages.undo(inner)
    assert store.messages.tree(chat_id) == ()
    store.messages.undo(outer)
    assert texts(store, chat_id) == ["q", "a"]


def test_a_parent_of_another_chat_is_refused(store: Store) -> None:
    one, other = store.chats.create().id, store.chats.create().id
    message = store.messages.append(one, Role.USER, "q")
    with pytest.raises(UsageError):
        store.messages.append(other, Role.USER, "x", parent_id=message.id)


def test_discarding_takes_an_exchange_back_for_good(store: Store) -> None:
    chat_id = store.chats.create().id
    exchange(store, chat_id, "q1", "a1")
    asked = store.messages.append(chat_id, Role.USER, "q2")
    store.messages.begin_answer(chat_id)
    store.messages.discard(asked.id)
    assert texts(store, chat_id) == ["q1", "a1"]
    assert len(store.messages.tree(chat_id)) == 2
    with pytest.raises(UsageError):
        store.messages.get(asked.id)


def test_pins_and_extras_stay(store: Store) -> None:
    chat_id = store.chats.create().id
    message = store.messages.append(chat_id, Role.USER, "q", extras={"a": 1})
    store.messages.pin(message.id)
    assert store.messages.get(message.id).is_pinned
    store.messages.pin(message.id, pinned=False)
    store.messages.set_extras(message.id, {"b": [2]})
    after = store.messages.get(message.id)
    assert (after.is_pinned, after.extras) == (False, {"b": [2]})


def test_pictures_go_along_in_order(store: Store, picture: Path, tmp_path: Path) -> None:
    other = tmp_path / "x.jpg"
    other.write_bytes(b"\xff\xd8\xff rest")
    parts = [store.pictures.keep(path) for path in (other, picture, other)]
    chat_id = store.chats.create().id
    message = store.messages.append(chat_id, Role.USER, "look", images=parts)
    assert list(message.images) == parts
    assert list(store.messages.path(chat_id)[0].images) == parts
    edited = store.messages.edit(message.id, "look again")
    assert edited.images == message.images
    assert store.messages.edit(message.id, "no picture", images=()).images == ()


def test_a_long_chat_is_read_in_one_go(store: Store, picture: Path) -> None:
    chat_id = store.chats.create().id
    image = store.pictures.keep(picture)
    for i in range(600):
        store.messages.append(chat_id, Role.USER, str(i), images=[image] if i % 2 else ())
    path = store.messages.path(chat_id)
    assert [m.text for m in path] == [str(i) for i in range(600)]
    assert [len(m.images) for m in path] == [i % 2 for i in range(600)]


# ---------------------------------------------------------------- pictures


def test_a_picture_is_kept_once_under_its_hash(store: Store, picture: Path) -> None:
    one, two = store.pictures.keep(picture), store.pictures.keep(picture)
    assert one == two
    path = Path(one.path)
    assert path.read_bytes() == picture.read_bytes()
    assert path == store.directory / "pictures" / one.sha256[:2] / f"{one.sha256}.png"
    assert store.pictures.name_of(one.sha256) == picture.name
    assert len([f for f in store.pictures.directory.rglob("*") if f.is_file()]) == 1


def test_a_picture_that_changed_since_it_was_attached_is_refused(
    store: Store, picture: Path
) -> None:
    with pytest.raises(ImageError, match="changed"):
        store.pictures.keep(ImagePart(str(picture), "ab" * 32))


def test_only_pictures_that_nothing_refers_to_are_collected(
    store: Store, picture: Path, tmp_path: Path
) -> None:
    stray = tmp_path / "stray.gif"
    stray.write_bytes(b"GIF8 stray")
    shown, unused = store.pictures.keep(picture), store.pictures.keep(stray)
    chat_id = store.chats.create().id
    message = store.messages.append(chat_id, Role.USER, "x", images=[shown])
    assert store.pictures.collect_garbage() == 0  # too young: somebody may be about to use it
    assert store.pictures.collect_garbage(min_age_s=0) == len(b"GIF8 stray")
    assert not Path(unused.path).exists()
    store.messages.delete(message.id)
    assert store.pictures.collect_garbage(min_age_s=0) == 0  # deleting can be undone
    store.chats.purge(chat_id)
    assert store.pictures.collect_garbage(min_age_s=0) > 0
    assert store.pictures.find(shown.sha256) is None
    assert store.pictures.keep(picture) == shown
