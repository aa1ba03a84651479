# SPDX-License-Identifier: Apache-2.0
"""Which chat is open: left, opened again, forgotten; and who the model is in it."""

from __future__ import annotations

import asyncio

import pytest

from tests.tui.session.conftest import HOST, Start, counters, texts, through
from yuren_core.errors import UsageError
from yuren_core.messages import Role
from yuren_core.sampling_params import SamplingParams
from yuren_tui.presets import Lorebook, LoreEntry, Preset, PresetText
from yuren_tui.session import Profile


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
    session = start("--echo", system_prompt="Be brief.", profile=Profile("Mei"))
    session.begin()
    await through(session.send("hello"))
    session.use_preset(HOST)
    assert texts(session) == ["hello", "hello"]
    assert session.messages()[0].text.startswith("You are Ana.")
    session.new_chat()
    assert texts(session) == ["Welcome, Mei!"]
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


async def test_lore_of_one_greeting_is_told_below_that_greeting_alone(start: Start) -> None:
    entries = tuple(
        LoreEntry(content=f"@@is_greeting {number}\nLore of {number}.", is_constant=True)
        for number in (0, 1)
    )
    text = PresetText(
        name="Inn",
        system="S",
        greeting="Welcome!",
        alternate_greetings=("Closed.",),
        lorebook=Lorebook(entries=entries),
    )
    session = start("--echo", preset=Preset("inn", text))
    session.begin()

    def told() -> list[str]:
        return [one.text for one in session.chat.assemble().lore.active]

    assert told() == ["Lore of 0."]
    session.chat.step(session.turns[0].id, 1)
    assert told() == ["Lore of 1."]
    await through(session.send("one"))
    assert told() == ["Lore of 1."]


async def test_two_sessions_on_one_store_do_not_disturb_each_other(start: Start) -> None:
    one, two = start("--echo"), start("--echo", "--token-delay", "0.02")
    await asyncio.gather(through(one.send("one")), through(two.send("two words")))
    assert (texts(one), texts(two)) == (["one", "one"], ["two words", "two words"])
    assert one.chat.id != two.chat.id
    assert {chat.title for chat in one.store.chats.page()} == {"one", "two words"}
