# SPDX-License-Identifier: Apache-2.0
"""Who decides how answers are drawn: typed here, the command line, the preset, the settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui.session.conftest import HOST, Start, through
from yuren_core.errors import UsageError
from yuren_core.sampling_params import GREEDY, NO_ADVICE, SamplingAdvice, SamplingParams
from yuren_tui.presets import Preset, PresetSampling, PresetText
from yuren_tui.session.chat_sampling import VARIED_TEMPERATURE, ChatSampling

SETTINGS = SamplingParams(temperature=0.3, top_p=0.8, top_k=20, seed=4)
DUCK = Preset(
    "duck", PresetText(name="Duck", system="Quack."), sampling=PresetSampling(top_k=7, min_p=0.1)
)


def test_each_value_is_the_first_one_s_that_speaks() -> None:
    said = PresetSampling(temperature=1.0, top_p=0.5, top_k=5)
    drawn = ChatSampling(SamplingParams()).typing(temperature=0.1)
    drawn = drawn.under(said, base=SETTINGS, fixed={"temperature": 2.0, "top_p": 0.7})
    assert drawn.params == SamplingParams(temperature=0.1, top_p=0.7, top_k=5, seed=4)
    assert drawn.typed == {"temperature"}


def test_a_panel_types_what_it_changes_and_nothing_else() -> None:
    drawn = ChatSampling(SETTINGS).changed_to(replace(SETTINGS, top_k=1, stop=("X",)))
    assert drawn.typed == {"top_k", "stop"}
    assert drawn.changed_to(drawn.params).typed == drawn.typed


def test_what_was_typed_is_kept_among_other_extras() -> None:
    drawn = ChatSampling(SETTINGS).typing(top_k=20, seed=None)
    extras = drawn.extras({"lore": {"a": 1}})
    assert ChatSampling.of(drawn.params, extras) == drawn
    assert extras["lore"] == {"a": 1}
    assert ChatSampling(SETTINGS).extras(extras) == {"lore": {"a": 1}}


@pytest.mark.parametrize("kept", [None, "top_k", 3, ["colour", 1, None, ["top_k"]], {"top_k": 1}])
def test_extras_of_another_yuren_s_are_no_fault(kept: object) -> None:
    assert ChatSampling.of(SETTINGS, {"typed_sampling": kept}).typed == frozenset()


async def test_another_preset_keeps_what_was_typed_in_the_chat(start: Start) -> None:
    session = start("--echo", sampling=SETTINGS, preset=DUCK)
    session.begin()
    await through(session.send("hello"))
    session.type_sampling(temperature=0.3)  # as the settings have it, but now the person's
    session.sampling = replace(session.sampling, top_p=0.6)
    session.use_preset(HOST)
    assert session.sampling == replace(SETTINGS, top_p=0.6, top_k=3)
    session.use_preset(DUCK)
    assert session.sampling == replace(SETTINGS, top_p=0.6, top_k=7, min_p=0.1)


async def test_one_value_goes_back_to_what_holds_without_the_person(start: Start) -> None:
    session = start("--echo", sampling=SETTINGS, preset=DUCK)
    session.begin()
    session.type_sampling(top_k=99, top_p=0.6, temperature=0.0)
    session.forget_typed_sampling("top_k", "temperature")
    assert session.sampling == replace(SETTINGS, top_k=7, min_p=0.1, top_p=0.6)
    assert session.chat.sampling.typed == {"top_p"}


async def test_what_was_typed_is_known_when_the_chat_is_opened_again(start: Start) -> None:
    session = start("--echo", preset=DUCK)
    session.begin()
    session.type_sampling(top_k=99)  # before the chat is in the store
    await through(session.send("hello"))
    session.type_sampling(temperature=0.0)
    session.close()
    again = start("--echo")
    again.open_chat(1)
    again.use_preset(HOST)
    assert (again.sampling.temperature, again.sampling.top_k) == (0.0, 99)


async def test_a_new_chat_begins_without_what_was_typed_in_another(start: Start) -> None:
    session = start("--echo", sampling=SETTINGS)
    session.begin()
    session.type_sampling(temperature=1.9)
    await through(session.send("hello"))
    session.new_chat()
    assert session.sampling == SETTINGS
    session.open_chat(1)
    session.new_chat(HOST)
    assert session.sampling.temperature == HOST.sampling.temperature


async def test_what_was_typed_before_the_first_word_holds_with_the_preset_chosen_next(
    start: Start,
) -> None:
    session = start("--echo", fixed_sampling={"top_k": 9, "top_p": 0.4})
    session.begin()
    session.type_sampling(temperature=0.1, top_p=0.5)
    session.new_chat(HOST)
    assert session.sampling == SamplingParams(temperature=0.1, top_p=0.5, top_k=9)


async def test_the_command_line_holds_for_one_start_and_is_kept_with_no_chat(start: Start) -> None:
    session = start("--echo", sampling=SETTINGS, fixed_sampling={"temperature": 0.1, "top_k": 9})
    session.begin()
    await through(session.send("hello"))
    session.type_sampling(top_k=5)
    assert (session.sampling.temperature, session.sampling.top_k) == (0.1, 5)
    session.close()
    again = start("--echo", sampling=SETTINGS, fixed_sampling={"top_p": 0.4, "top_k": 2})
    again.open_chat(1)
    assert again.sampling == replace(SETTINGS, top_p=0.4, top_k=5)
    again.type_sampling(min_p=0.1)
    again.use_preset(HOST)
    assert again.store.chats.get(1).sampling == replace(
        SETTINGS, temperature=1.5, top_k=5, min_p=0.1
    )


async def test_each_value_is_said_by_somebody(start: Start) -> None:
    session = start("--echo", sampling=SETTINGS, preset=DUCK, fixed_sampling={"top_p": 0.5})
    session.begin()
    session.type_sampling(seed=1)
    origins = {name: session.sampling_origin(name) for name in ("seed", "top_p", "top_k")}
    assert origins == {"seed": "chat", "top_p": "command", "top_k": "preset"}
    assert session.sampling_origin("temperature") == "settings"
    plain = ChatSampling(SamplingParams())
    assert plain.origin("temperature", GREEDY) == "model"
    assert plain.origin("temperature", NO_ADVICE) == "default"


async def test_a_wrong_value_changes_nothing(start: Start) -> None:
    session = start("--echo")
    session.begin()
    with pytest.raises(UsageError):
        session.type_sampling(temperature=3.0)
    session.use_preset(HOST)
    assert session.sampling.temperature == HOST.sampling.temperature


HOT = SamplingAdvice(temperature=0.9, top_p=0.5, min_p=0.05)


def test_the_model_s_advice_fills_what_nobody_has_said() -> None:
    drawn = ChatSampling(SamplingParams()).under(
        PresetSampling(top_p=0.9), base=SamplingParams(top_k=20), fixed={}
    )
    assert drawn.advised(HOT) == SamplingParams(temperature=0.9, top_p=0.9, top_k=20, min_p=0.05)
    typed = drawn.typing(temperature=0.2)
    assert typed.advised(HOT).temperature == 0.2
    assert drawn.advised(NO_ADVICE) == drawn.params


def test_a_panel_does_not_type_what_the_model_advises() -> None:
    drawn = ChatSampling(SamplingParams())
    seen = drawn.advised(HOT)
    assert drawn.changed_to(replace(seen, top_k=3), advice=HOT).typed == {"top_k"}


def test_another_answer_of_a_model_that_is_greedy_by_advice_differs() -> None:
    drawn = ChatSampling(SamplingParams())
    assert drawn.advised(GREEDY).temperature == 0
    assert drawn.varied(GREEDY).temperature == VARIED_TEMPERATURE
    assert drawn.typing(temperature=0.0).varied(GREEDY).temperature == 0
    assert drawn.varied(HOT).temperature == 0.9
