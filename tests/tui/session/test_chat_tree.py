# SPDX-License-Identifier: Apache-2.0
"""The chat's tree: branches, alternatives, what is deleted and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.session.conftest import PICTURE, Start, counters, scripted, texts, through
from yuren_core.errors import UsageError
from yuren_core.protocol import Completed, Delta, Failed
from yuren_core.sampling_params import SamplingParams
from yuren_tui.session import Session, Turn
from yuren_tui.store import Draft


def failing(session: Session, tmp_path: Path) -> None:
    """Every further answer of the session fails without a word."""
    session.link.client = scripted(tmp_path / "model.log", "--fail-generate", "too long")


def answered(session: Session, question: str, words: str) -> Turn:
    """An exchange that is in the store, whatever the model would say."""
    _, answer = session.chat.ask(question, ())
    answer.text, answer.status = words, "done"
    session.chat.finish(answer)
    return answer


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
    answer = answered(session, "one", "words")
    assert isinstance(await through(session.resume(answer.id)), Completed)
    assert (texts(session), counters(session)) == (["one", "words"], [(1, 1), (1, 1)])


async def test_where_nothing_comes_the_path_that_was_shown_is_shown_again(
    start: Start, tmp_path: Path
) -> None:
    session = start("--answer", "")
    answer = answered(session, "one", "first")
    answered(session, "below", "leaf")
    for words in ("second", "third"):
        session.chat.edit_in_place(answer.id, words)
        session.chat.select(answer.id)
    shown = ["one", "first", "below", "leaf"]
    assert texts(session) == shown
    assert isinstance(await through(session.resume(answer.id)), Completed)
    assert texts(session) == shown
    failing(session, tmp_path)
    assert isinstance(await through(session.retry(answer.id)), Failed)
    assert texts(session) == shown


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


async def test_a_deleted_branch_comes_back(start: Start) -> None:
    session = start("--echo")
    for question in ("one", "two"):
        await through(session.send(question))
    deletion = session.chat.delete(session.turns[2].id)
    assert (texts(session), deletion.message_count) == (["one", "one"], 2)
    session.chat.undo(deletion)
    assert texts(session) == ["one", "one", "two", "two"]
