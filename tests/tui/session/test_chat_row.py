# SPDX-License-Identifier: Apache-2.0
"""What is kept with a chat: pins, title, drafts, where one reads."""

from __future__ import annotations

from tests.tui.session.conftest import PICTURE, Start, through
from yuren_tui.store import Draft


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
