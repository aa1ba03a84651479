# SPDX-License-Identifier: Apache-2.0
"""Chats: the list, titles, drafts, system prompts, deleting with undo; history across chats."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.tui.store.conftest import exchange
from yuren_core.errors import ImageError, UsageError
from yuren_core.messages import ImagePart, Role
from yuren_core.sampling_params import SamplingParams
from yuren_tui.store import Draft, Store
from yuren_tui.store import history as history_module


def test_a_chat_comes_back_as_it_was_after_reopening(tmp_path: Path) -> None:
    sampling = SamplingParams(temperature=0.1, stop=("END",), seed=7)
    with Store.open(tmp_path) as store:
        made = store.chats.create(
            model="m",
            system_prompt="Be brief. 简短。",
            sampling=sampling,
            preset={"name": "诗人", "depth": [1, {"a": None}]},
            extras={"lore": True},
        )
        store.chats.save_scroll(made.id, 12.5)
        store.chats.rename(made.id, "  My\n chat ")
    with Store.open(tmp_path) as store:
        chat = store.chats.get(made.id)
        assert store.chats.preset(made.id) == {"name": "诗人", "depth": [1, {"a": None}]}
    assert (chat.title, chat.is_title_set, chat.scroll) == ("My chat", True, 12.5)
    assert (chat.sampling, chat.system_prompt, chat.model) == (sampling, "Be brief. 简短。", "m")
    assert chat.extras == {"lore": True}
    assert chat.uid == made.uid
    assert chat.created_at.tzinfo is UTC
    assert abs(datetime.now(UTC) - chat.created_at) < timedelta(minutes=1)


def test_an_unknown_chat_is_a_usage_error(store: Store) -> None:
    for chat_id in (7, -1, 2**70):
        with pytest.raises(UsageError, match=str(chat_id)):
            store.chats.get(chat_id)
        with pytest.raises(UsageError):
            store.chats.rename(chat_id, "x")
    with pytest.raises(UsageError):
        store.messages.append(7, Role.USER, "x")


def test_ids_are_never_given_twice(store: Store) -> None:
    first = store.chats.create().id
    store.chats.purge(first)
    assert store.chats.create().id == first + 1


def test_a_rule_s_title_gives_way_to_a_person_s(store: Store) -> None:
    chat_id = store.chats.create().id
    store.chats.rename(chat_id, "by rule", by_person=False)
    assert store.chats.get(chat_id).title == "by rule"
    store.chats.rename(chat_id, "mine")
    store.chats.rename(chat_id, "by rule", by_person=False)
    assert store.chats.get(chat_id).title == "mine"
    store.chats.rename(chat_id, "")
    store.chats.rename(chat_id, "by rule", by_person=False)
    assert store.chats.get(chat_id).title == "by rule"


def test_the_list_is_paged_by_what_was_said_last(store: Store) -> None:
    ids = [store.chats.create().id for _ in range(7)]
    for chat_id in ids:
        exchange(store, chat_id, "q", "a")
    time.sleep(0.005)  # the list is exact to the millisecond
    store.messages.append(ids[0], Role.USER, "again")
    pages = [store.chats.page(limit=3)]
    while len(pages[-1]) == 3:
        pages.append(store.chats.page(limit=3, after=pages[-1][-1]))
    listed = [chat for page in pages for chat in page]
    assert [chat.id for chat in listed] == [ids[0], *reversed(ids[1:])]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert listed[0].message_count == 3
    assert listed[0].model == "starter"


def test_a_chat_with_nothing_in_it_leaves_no_trace(store: Store) -> None:
    empty, drafted = store.chats.create().id, store.chats.create().id
    assert store.chats.page() == []
    assert store.chats.last() is None
    store.chats.save_draft(drafted, Draft("half a thou"))
    assert [(chat.id, chat.has_draft) for chat in store.chats.page()] == [(drafted, True)]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert store.chats.purge_deleted(before=tomorrow) == 1
    with pytest.raises(UsageError):
        store.chats.get(empty)


def test_a_chat_with_only_an_edit_of_its_system_prompt_is_kept(store: Store) -> None:
    chat_id = store.chats.create(system_prompt="Be kind.").id
    for text in ("", "Be \ud83d brief. 简短。"):  # emptied is edited too
        store.chats.update(chat_id, system_draft=text)
        assert [(chat.id, chat.has_draft) for chat in store.chats.page()] == [(chat_id, True)]
        last = store.chats.last()
        assert last is not None
        assert last.system_draft == text.replace("\ud83d", "\ufffd")
        assert last.system_prompt == "Be kind."
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        assert store.chats.purge_deleted(before=tomorrow) == 0
    assert [version.text for version in store.chats.system_prompts(chat_id)] == ["Be kind."]
    store.chats.update(chat_id, system_draft=None)
    assert store.chats.page() == []


def test_the_last_chat_is_the_one_used_last(store: Store) -> None:
    first, second = store.chats.create().id, store.chats.create().id
    for chat_id in (first, second):
        exchange(store, chat_id, "q", "a")
    time.sleep(0.005)
    store.chats.save_draft(first, Draft("typed here"))
    last = store.chats.last()
    assert last is not None
    assert last.id == first
    assert store.chats.page()[0].id == second  # a draft does not reorder the list


def test_archived_and_deleted_chats_have_lists_of_their_own(store: Store) -> None:
    kept, away, gone = (store.chats.create().id for _ in range(3))
    for chat_id in (kept, away, gone):
        exchange(store, chat_id, "q", "a")
    store.chats.archive(away)
    store.chats.delete(gone)
    assert [chat.id for chat in store.chats.page()] == [kept]
    assert [chat.id for chat in store.chats.page(archived=True)] == [away]
    assert [chat.id for chat in store.chats.page(deleted=True)] == [gone]
    store.chats.restore(gone)
    store.chats.archive(away, archived=False)
    assert {chat.id for chat in store.chats.page()} == {kept, away, gone}
    store.chats.delete(gone)
    assert store.chats.purge_deleted(before=datetime.now(UTC) - timedelta(days=1)) == 0
    assert store.chats.purge_deleted(before=datetime.now(UTC) + timedelta(seconds=1)) == 1
    assert store.check() == []


def test_a_draft_keeps_its_pictures(store: Store, picture: Path) -> None:
    chat_id = store.chats.create().id
    image = store.pictures.keep(picture)
    store.chats.save_draft(chat_id, Draft("看这个", (image, image)))
    picture.unlink()
    draft = store.chats.get(chat_id).draft
    assert draft == Draft("看这个", (image, image))
    assert Path(draft.images[0].path).is_file()
    store.chats.save_draft(chat_id, Draft())
    assert not store.chats.get(chat_id).draft


def test_every_system_prompt_is_remembered_once(store: Store) -> None:
    chat_id = store.chats.create(system_prompt="one").id
    for text in ("two", "", "one"):
        store.chats.update(chat_id, system_prompt=text)
    assert [version.text for version in store.chats.system_prompts(chat_id)] == ["one", "two"]
    store.chats.update(chat_id, model="other")
    assert store.chats.get(chat_id).system_prompt == "one"


def test_each_time_that_a_system_prompt_is_put_into_use_is_known(store: Store) -> None:
    chat_id = store.chats.create().id
    for text in ("one", "one", "", "one"):
        store.chats.update(chat_id, system_prompt=text)
    uses = store.chats.system_prompt_uses(chat_id)
    assert [use.text for use in uses] == ["", "one", "", "one"]
    assert uses[0].used_at == store.chats.get(chat_id).created_at


def test_a_preset_under_which_something_was_said_stays_known(store: Store) -> None:
    chat_id = store.chats.create(preset={"id": "a"}).id
    store.chats.update(chat_id, preset={"id": "b"})
    store.messages.append(chat_id, Role.USER, "q")
    for name in ("c", "d"):
        time.sleep(0.003)  # times are kept to the millisecond
        store.chats.update(chat_id, preset={"id": name})
    assert [use.preset for use in store.chats.presets(chat_id)] == [{"id": "b"}, {"id": "d"}]
    assert store.chats.preset(chat_id) == {"id": "d"}
    store.chats.update(chat_id, preset=None)
    assert store.chats.preset(chat_id) is None


def test_a_draft_is_saved_without_writing_a_long_preset_again(store: Store) -> None:
    chat_id = store.chats.create(preset={"toml": "x" * 1_000_000}).id
    wal = store.path.with_name(f"{store.path.name}-wal")
    store.database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    assert wal.stat().st_size == 0
    store.chats.save_draft(chat_id, Draft("a word"))
    store.messages.append(chat_id, Role.USER, "a word")
    assert 0 < wal.stat().st_size < 200_000


def test_prompts_are_remembered_across_chats(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("first", "Straße", "first", "  ", "写首诗"):
        store.history.add_prompt(text)
    assert store.history.prompts() == ["写首诗", "first", "Straße"]
    assert store.history.prompts("STRASSE") == ["Straße"]
    assert store.history.prompts("诗") == ["写首诗"]
    assert store.history.prompts(limit=1) == ["写首诗"]
    monkeypatch.setattr(history_module, "MAX_PROMPTS", 2)
    store.history.add_prompt("newest")
    assert store.history.prompts() == ["newest", "写首诗"]
    store.history.forget_prompts()
    assert store.history.prompts() == []


def test_models_are_remembered_by_last_use(store: Store) -> None:
    store.history.add_model("a")
    store.history.add_model("b", load="8bit", device="cpu")
    assert {(m.model, m.load, m.device) for m in store.history.models()} == {
        ("a", "auto", "auto"),
        ("b", "8bit", "cpu"),
    }


def test_a_picture_part_that_is_nowhere_is_refused_before_anything_is_stored(
    store: Store,
) -> None:
    chat_id = store.chats.create().id
    with pytest.raises(ImageError):
        store.messages.append(chat_id, Role.USER, "x", images=[ImagePart("/no/where", "ab" * 32)])
    assert store.messages.path(chat_id) == ()
