# SPDX-License-Identifier: Apache-2.0
"""The session over the real protocol, with the scripted process."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.tui.session.conftest import PICTURE, Start
from yuren_core.errors import NoVisionTowerError, UsageError
from yuren_core.i18n import use_language
from yuren_core.messages import ImagePart, Role
from yuren_core.protocol import Cancelled, Completed, Delta, Exited, Failed, Ready
from yuren_tui.session import Session


async def ask(session: Session, text: str, images: tuple[ImagePart, ...] = ()) -> list[object]:
    return [event async for event in session.send(text, images)]


async def test_an_answer_ends_in_turns_with_its_stats(start: Start) -> None:
    session = start("--answer", "It is Paris.")
    events = await ask(session, "What is the capital of France?")
    assert any(isinstance(event, Ready) for event in events)
    assert isinstance(events[-1], Completed)
    question, answer = session.turns
    assert (question.role, question.text) == (Role.USER, "What is the capital of France?")
    assert (answer.text, answer.status) == ("It is Paris.", "done")
    assert answer.stats.completion_tokens == 3
    assert session.context_used == answer.stats.prompt_tokens + 3


async def test_history_and_system_prompt_are_told(start: Start) -> None:
    session = start("--answer", "Yes.")
    session.system_prompt = "Be brief."
    await ask(session, "one")
    await ask(session, "two")
    assert [(m.role.value, m.text) for m in session.messages()] == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "Yes."),
        ("user", "two"),
        ("assistant", "Yes."),
    ]


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Describe this picture."), ("zh", "请描述这张图片。")]
)
async def test_a_picture_alone_asks_for_a_description(
    start: Start, language: str, words: str
) -> None:
    session = start("--echo")
    use_language(language)
    try:
        await ask(session, "  ", (PICTURE,))
    finally:
        use_language("en")
    assert [image.sha256 for image in session.turns[0].images] == [PICTURE.sha256]
    assert session.turns[1].text == words


async def test_a_picture_for_a_blind_model_is_refused_and_taken_back(start: Start) -> None:
    session = start("--blind")
    with pytest.raises(NoVisionTowerError):
        await ask(session, "What is this?", (PICTURE,))
    assert session.turns == []
    assert not session.is_answering
    with pytest.raises(NoVisionTowerError):
        session.check_sendable("again", (PICTURE,))


async def test_stop_keeps_the_words_so_far(start: Start) -> None:
    session = start("--answer", "word " * 500, "--token-delay", "0.01")
    events: list[object] = []
    async for event in session.send("go"):
        events.append(event)
        if isinstance(event, Delta) and event.completion_tokens == 3:
            await session.stop()
    assert isinstance(events[-1], Cancelled)
    assert session.turns[-1].status == "stopped"
    assert session.turns[-1].text.startswith("word word word ")
    assert len(session.turns[-1].text.split()) < 400


async def test_stop_while_loading_takes_the_question_back(start: Start) -> None:
    session = start("--load-delay", "5")
    choice = session.choice
    assert choice is not None

    started = asyncio.Event()

    async def load() -> None:
        async for _ in session.load(choice):
            started.set()

    loading = asyncio.create_task(load())
    await started.wait()
    asking = asyncio.create_task(ask(session, "hello"))
    await asyncio.sleep(0.1)
    await session.stop()
    events = await asyncio.wait_for(asking, 2)
    assert isinstance(events[-1], Cancelled)
    assert session.turns == []
    loading.cancel()


async def test_a_wordless_failure_is_taken_back(start: Start) -> None:
    session = start("--fail-generate", "too long")
    events = await ask(session, "x")
    assert isinstance(events[-1], Failed)
    assert session.turns == []


async def test_a_failed_load_is_told_and_takes_the_question_back(start: Start) -> None:
    session = start("--fail-load", "no such model")
    events = await ask(session, "x")
    assert isinstance(events[-1], Failed)
    assert events[-1].message == "no such model"
    assert session.turns == []
    assert session.model.phase == "failed"


async def test_a_crash_keeps_the_words_and_the_next_question_is_answered(start: Start) -> None:
    session = start("--answer", "one two three four", "--token-delay", "0.05")
    killed = False
    async for event in session.send("count"):
        if isinstance(event, Delta) and event.completion_tokens == 2 and not killed:
            killed = True
            assert session.client.pid is not None
            os.kill(session.client.pid, signal.SIGKILL)
    assert isinstance(event, Exited)
    assert session.turns[-1].status == "failed"
    assert session.turns[-1].text.startswith("one two")
    assert session.model.phase == "dead"
    events = await ask(session, "again")
    assert isinstance(events[-1], Completed)
    assert session.turns[-1].text == "one two three four"
    assert len(session.turns) == 4


async def test_nothing_and_a_second_question_are_refused(start: Start) -> None:
    session = start("--token-delay", "0.05")
    with pytest.raises(UsageError):
        await ask(session, " \n")
    async for event in session.send("one"):
        if isinstance(event, Delta):
            with pytest.raises(UsageError):
                session.check_sendable("two", ())
            with pytest.raises(UsageError):
                session.new_chat()
    session.new_chat()
    assert session.turns == []
