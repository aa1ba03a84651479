# SPDX-License-Identifier: Apache-2.0
"""The session's chats as trees in the store: branches, undo, drafts, presets, opening again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from yuren_core.client import ModelClient
from yuren_core.errors import UsageError
from yuren_core.images import image_part
from yuren_core.messages import Role
from yuren_core.protocol import Completed, Delta, Event, Failed
from yuren_core.sampling_params import SamplingParams
from yuren_core.shipped import assets_dir
from yuren_tui.presets import Lorebook, LoreEntry, Preset, PresetSampling, PresetText
from yuren_tui.session import ModelChoice, Profile, Session
from yuren_tui.store import Draft, Store

PICTURE = image_part(assets_dir() / "pictures" / "cat.png")
HOST = Preset(
    "host",
    PresetText(
        name="Ana",
        system="You are {{char}}.",
        character="Ana keeps an inn.",
        greeting="Welcome, {{user}}!",
        alternate_greetings=("Closed.",),
    ),
    sampling=PresetSampling(temperature=1.5, top_k=3),
)
Start = Callable[..., Session]


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Make sessions with scripted processes, all with the store of one directory."""
    sessions: list[Session] = []

    def make(*options: str, **values: Any) -> Session:
        command = (sys.executable, "-m", "yuren_core.scripted", *options)
        client = ModelClient(command, log_path=tmp_path / "model.log")
        sessions.append(Session(client, store=lambda: Store.open(tmp_path), **values))
        sessions[-1].choice = ModelChoice("any")
        return sessions[-1]

    yield make
    for session in sessions:
        await session.client.close()
        session.close()


async def through(events: AsyncGenerator[Event, None]) -> Event:
    """The last of some events."""
    async for event in events:
        last = event
    return last


def texts(session: Session) -> list[str]:
    return [turn.text for turn in session.turns]


def counters(session: Session) -> list[tuple[int, int]]:
    return [(turn.sibling_index, turn.sibling_count) for turn in session.turns]


def failing(session: Session, tmp_path: Path) -> None:
    """Every further answer of the session fails without a word."""
    command = (sys.executable, "-m", "yuren_core.scripted", "--fail-generate", "too long")
    session.link.client = ModelClient(command, log_path=tmp_path / "model.log")


# ---------------------------------------------------------------- branches


async def test_an_edit_is_a_branch_with_its_pictures(start: Start) -> None:
    session = start("--echo")
    await through(session.send("one", (PICTURE,)))
    await through(session.send("two"))
    await through(session.edit(session.turns[0].id, "uno"))
    assert texts(session) == ["uno", "uno"]
    assert counters(session) == [(2, 2), (1, 1)]
    assert [image.sha256 for image in session.turns[0].images] == [PICTURE.sha256]
    await through(session.edit(session.turns[0].id, "un", ()))
    assert session.turns[0].images == ()
    session.chat.step(session.turns[0].id, -2)
    assert texts(session) == ["one", "one", "two", "two"]


async def test_an_edit_that_fails_without_a_word_shows_the_old_branch_again(
    start: Start, tmp_path: Path
) -> None:
    session = start("--echo")
    await through(session.send("one"))
    failing(session, tmp_path)
    assert isinstance(await through(session.edit(session.turns[0].id, "two")), Failed)
    assert texts(session) == ["one", "one"]
    assert counters(session) == [(1, 1), (1, 1)]
    assert session.chat.draft == Draft("two")


async def test_a_retry_is_an_alternative_and_steps_hold_at_the_ends(start: Start) -> None:
    session = start("--echo")
    await through(session.send("one"))
    await through(session.retry(session.turns[1].id))
    await through(session.retry(session.turns[0].id))  # of a question: the same
    assert counters(session)[-1] == (3, 3)
    for offset, expected in ((1, 3), (-1, 2), (-9, 1), (-1, 1)):
        session.chat.step(session.turns[1].id, offset)
        assert counters(session)[-1] == (expected, 3)


async def test_a_retry_that_fails_leaves_the_answer_that_was_there(
    start: Start, tmp_path: Path
) -> None:
    session = start("--echo")
    await through(session.send("one"))
    failing(session, tmp_path)
    assert isinstance(await through(session.retry(session.turns[1].id)), Failed)
    assert (texts(session), counters(session)) == (["one", "one"], [(1, 1), (1, 1)])
    assert session.chat.draft == Draft()


async def test_a_cut_answer_is_written_on_from_its_words(start: Start) -> None:
    session = start("--echo", sampling=SamplingParams(max_new_tokens=2))
    await through(session.send("a b c d"))
    assert session.turns[1].text == "a b "
    # The scripted process says the last message again: here the words to go on from.
    await through(session.resume(session.turns[1].id))
    assert session.turns[1].text == "a b a b "
    assert counters(session)[-1] == (2, 2)


async def test_nothing_to_add_leaves_no_twin(start: Start) -> None:
    session = start("--answer", "")
    session.chat.ask("one", ())
    answer = session.turns[1]
    answer.text, answer.status = "words", "stopped"
    session.chat.finish(answer)
    assert isinstance(await through(session.resume(answer.id)), Completed)
    assert (texts(session), counters(session)) == (["one", "words"], [(1, 1), (1, 1)])


async def test_an_answer_is_said_otherwise_without_asking(start: Start) -> None:
    session = start("--echo")
    await through(session.send("one"))
    session.chat.edit_in_place(session.turns[1].id, "better")
    assert (texts(session), counters(session)[-1]) == (["one", "better"], (2, 2))


async def test_no_change_of_the_chat_while_an_answer_is_written(start: Start) -> None:
    session = start("--token-delay", "0.02")
    async for event in session.send("one"):
        if isinstance(event, Delta):
            for refused in (session.retry(session.turns[0].id), session.resume(1)):
                with pytest.raises(UsageError):
                    await anext(refused)
            for change in (session.new_chat, session.continue_last, session.require_rest):
                with pytest.raises(UsageError):
                    change()
    assert len(session.turns) == 2


# ---------------------------------------------------------------- delete, pin, name


async def test_a_deleted_branch_comes_back(start: Start) -> None:
    session = start("--echo")
    for question in ("one", "two"):
        await through(session.send(question))
    deletion = session.chat.delete(session.turns[2].id)
    assert (texts(session), deletion.message_count) == (["one", "one"], 2)
    session.chat.undo(deletion)
    assert texts(session) == ["one", "one", "two", "two"]


async def test_pins_titles_drafts_and_places_are_there_again(start: Start) -> None:
    session = start("--echo")
    await through(session.send("Where is Paris?"))
    session.chat.pin(session.turns[0].id, pinned=True)
    session.chat.save_draft("unsent", (PICTURE,))
    session.chat.save_scroll(12.5)
    number = session.chat.id
    assert number is not None
    session.close()
    again = start("--echo")
    again.open_chat(number)
    assert [turn.is_pinned for turn in again.turns] == [True, False]
    assert again.chat.title == "Where is Paris?"
    assert (again.chat.draft.text, again.chat.scroll) == ("unsent", 12.5)
    assert [image.sha256 for image in again.chat.draft.images] == [PICTURE.sha256]
    assert [item.is_pinned for item in again.chat.assemble().items] == [True, False]
    await through(again.send("next"))
    assert again.chat.draft == Draft()
    again.chat.rename("Mine")
    assert again.chat.title == "Mine"


async def test_an_edit_of_the_system_prompt_is_there_again_until_it_is_done(start: Start) -> None:
    session = start("--echo")
    session.chat.save_system_draft("half")
    assert session.system_prompt == ""
    session.close()
    again = start("--echo")
    assert again.continue_last()
    assert again.chat.system_draft == "half"
    again.chat.save_system_draft(None)
    again.new_chat()
    assert again.store.chats.page() == []


async def test_a_question_that_came_to_nothing_is_the_draft(start: Start) -> None:
    session = start("--fail-generate", "too long")
    await through(session.send("one", (PICTURE,)))
    assert session.turns == []
    assert session.chat.draft.text == "one"
    assert session.store.chats.last() is not None


# ---------------------------------------------------------------- which chat


async def test_chats_are_left_and_opened_again(start: Start) -> None:
    session = start("--echo")
    assert session.begin() == ()
    assert not session.continue_last()
    session.system_prompt = "Be brief."
    await through(session.send("one"))
    session.sampling = SamplingParams(temperature=0.1)
    session.new_chat()
    assert (session.turns, session.system_prompt) == ([], "")
    await through(session.send("two"))
    assert session.continue_last()
    assert texts(session) == ["two", "two"]
    session.open_chat(1)
    assert (texts(session), session.system_prompt) == (["one", "one"], "Be brief.")
    assert session.sampling.temperature == 0.1


async def test_a_chat_that_is_not_there_or_deleted_is_not_opened(start: Start) -> None:
    session = start("--echo")
    await through(session.send("one"))
    session.store.chats.delete(1)
    session.new_chat()
    for number in (1, 99):
        with pytest.raises(UsageError):
            session.open_chat(number)
    assert session.turns == []


async def test_what_was_said_below_another_greeting_is_not_forgotten(start: Start) -> None:
    session = start("--echo", preset=HOST)
    session.begin()
    await through(session.send("one"))
    session.chat.step(session.turns[0].id, 1)
    assert texts(session) == ["Closed."]
    session.new_chat()
    session.open_chat(1)
    session.chat.step(session.turns[0].id, -1)
    assert texts(session)[1:] == ["one", "one"]


async def test_what_was_deleted_comes_back_after_the_chat_was_left(start: Start) -> None:
    session = start("--echo")
    await through(session.send("one"))
    deletion = session.chat.delete(session.turns[0].id)
    session.new_chat()
    session.open_chat(1)
    session.chat.undo(deletion)
    assert texts(session) == ["one", "one"]


async def test_a_chat_without_a_word_of_the_person_s_is_forgotten(start: Start) -> None:
    session = start(preset=HOST)
    session.begin()
    assert session.chat.id == 1
    session.new_chat()
    assert [chat.id for chat in session.store.chats.page()] == [2]


# ---------------------------------------------------------------- presets


async def test_a_preset_greets_and_speaks_with_its_sampling(start: Start) -> None:
    session = start(
        "--echo", preset=lambda: HOST, profile=Profile("Mei"), fixed_sampling={"top_k": 9}
    )
    session.begin()
    assert (texts(session), counters(session)) == (["Welcome, Mei!"], [(1, 2)])
    assert (session.sampling.temperature, session.sampling.top_k) == (1.5, 9)
    await through(session.send("hello"))
    assert {turn.speaker for turn in session.turns if turn.role is Role.ASSISTANT} == {"Ana"}
    assert session.messages()[0].text == "You are Ana.\n\nAna keeps an inn."


async def test_a_chat_keeps_the_preset_it_was_begun_with(start: Start) -> None:
    session = start("--echo", preset=HOST)
    session.begin()
    await through(session.send("hello"))
    session.close()
    again = start("--echo")
    again.open_chat(1)
    assert again.chat.preset.name("en") == "Ana"
    assert again.chat.speaker == "Ana"
    assert again.sampling.temperature == 1.5
    again.new_chat()
    assert again.turns == []


async def test_another_preset_takes_over_from_here_on_and_in_new_chats(start: Start) -> None:
    session = start("--echo", system_prompt="Be brief.")
    session.begin()
    await through(session.send("hello"))
    session.use_preset(HOST)
    assert texts(session) == ["hello", "hello"]
    assert session.messages()[0].text.startswith("You are Ana.")
    session.new_chat()
    assert texts(session) == ["Welcome, You!"]
    assert session.system_prompt == "You are {{char}}."


async def test_what_lore_remembers_is_kept_with_the_chat(start: Start) -> None:
    entry = LoreEntry(keys=("cellar",), content="The cellar is locked.", sticky=5)
    preset = Preset("inn", PresetText(name="Inn", system="S", lorebook=Lorebook(entries=(entry,))))
    session = start("--echo", preset=preset)
    session.begin()
    await through(session.send("the cellar"))
    await through(session.send("something else"))
    session.close()
    again = start("--echo")
    again.open_chat(1)
    told = "\n".join(message.text for message in again.messages())
    assert "The cellar is locked." in told
    assert again.store.chats.get(1).extras["lore"]


async def test_two_sessions_on_one_store_do_not_disturb_each_other(start: Start) -> None:
    one, two = start("--echo"), start("--echo", "--token-delay", "0.02")
    await asyncio.gather(through(one.send("one")), through(two.send("two words")))
    assert (texts(one), texts(two)) == (["one", "one"], ["two words", "two words"])
    assert one.chat.id != two.chat.id
    assert {chat.title for chat in one.store.chats.page()} == {"one", "two words"}
