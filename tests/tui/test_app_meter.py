# SPDX-License-Identifier: Apache-2.0
"""The context meter: counted while one types, shown by kind, and what the next message costs."""

from __future__ import annotations

from pathlib import Path

from tests.tui.chat_app import Driven, running
from yuren_tui.screens.context_meter import ContextScreen, shares_of
from yuren_tui.session import ContextUse
from yuren_tui.widgets.status_bar import Status, StatusBar

OVERHEAD = 4  # tokens that the scripted model counts for a message, beside its words


def status(chat: Driven) -> Status:
    return chat.chat.query_one(StatusBar).status


async def test_what_is_typed_counts_at_once(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await chat.until(lambda: chat.chat.use is not None)
        before = status(chat).used
        chat.chat.prompt.text = "five words of one message"
        await chat.until(lambda: status(chat).used == before + 5 + OVERHEAD)
        chat.chat.prompt.text = ""
        await chat.until(lambda: status(chat).used == before)


async def test_a_command_that_is_typed_costs_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await chat.until(lambda: chat.chat.use is not None)
        before = status(chat).used
        chat.chat.prompt.text = "//five words of one message"
        await chat.until(lambda: status(chat).used == before + 5 + OVERHEAD)
        for text in ("/", "/ti", "/title five words of it", "／标题？", "/etc/passwd is a file"):
            is_told = text[1:] in ("标题？", "etc/passwd is a file")
            chat.chat.prompt.text = text
            words = len(text.split()) + OVERHEAD if is_told else 0
            await chat.until(lambda words=words: status(chat).used == before + words)


async def test_turns_that_will_leave_are_marked_before_sending(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "word " * 400) as chat:
        await chat.ready()
        for text in ("one", "two", "three"):
            await chat.ask(text)
        await chat.until(lambda: chat.chat.use is not None)
        assert not chat.chat.query(".-leaving")
        chat.chat.prompt.text = "word " * 500
        await chat.until(lambda: status(chat).leaving == 2)
        assert [view.has_class("-leaving") for view in chat.answers] == [True, False, False]
        chat.chat.prompt.text = "word " * 2000
        await chat.until(lambda: not status(chat).fits)
        assert "too long" in chat.screen_text()
        chat.chat.prompt.text = ""
        await chat.until(lambda: not chat.chat.query(".-leaving"))


async def test_the_panel_shows_each_kind_and_what_leaves(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "word " * 400) as chat:
        await chat.ready()
        chat.session.system_prompt = "Be [b]brief[/b]."
        for text in ("[red]one", "two", "three"):
            await chat.ask(text)
        chat.chat.prompt.text = "word " * 500
        await chat.pilot.press("f6")
        await chat.until(lambda: isinstance(chat.app.screen, ContextScreen))
        text = chat.screen_text()
        for words in ("System prompt", "Conversation", "Room for the answer", "Free", "512"):
            assert words in text
        assert "pushes out (2)" in text
        assert "You  [red]one" in text
        await chat.pilot.press("f6")
        assert chat.app.screen is chat.chat


async def test_the_panel_shows_an_answer_s_words_without_its_marks(tmp_path: Path) -> None:
    answer = "# Paris\n\nIt is **the capital** of `France`.\n\n" + "word " * 400
    async with running(tmp_path / "log", "--answer", answer) as chat:
        await chat.ready()
        for text in ("**one**", "two", "three"):
            await chat.ask(text)
        chat.chat.prompt.text = "word " * 500
        await chat.until(lambda: chat.chat.use)  # at rest, so that it can be counted
        await chat.pilot.press("f6")
        await chat.until(lambda: isinstance(chat.app.screen, ContextScreen))
        assert "Paris It is the capital of France. word" in chat.screen_text()
        assert "You  **one**" in chat.screen_text(), "it is shown as it was written"


async def test_without_a_model_nothing_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--load-delay", "5") as chat:
        await chat.pilot.press("f6")
        await chat.until(lambda: chat.toasts)
        assert chat.app.screen is chat.chat


USE = ContextUse(
    {"system": 30, "history": 50, "images": 36, "opening": 3}, 512, 2048, (), False, True
)


def test_the_shares_make_up_the_context() -> None:
    assert sum(share.amount for share in shares_of(USE)) == 2048


async def test_the_bar_says_what_the_headline_says_without_a_colour(tmp_path: Path) -> None:
    async with running(tmp_path / "log", size=(100, 30)) as chat:
        await chat.ready()
        await chat.app.push_screen(ContextScreen(USE, ()))
        await chat.pilot.pause()
        lines = [line.strip("│ ") for line in chat.screen_text().splitlines()]
        (head,) = [line for line in lines if "119 of 2048" in line]
        assert "(6%)" in head
        assert "512 more are kept for the answer" in head
        (bar,) = [line for line in lines if line.endswith("░░░░")]
        used = bar.rstrip("░").rstrip("▒")
        assert round(100 * len(used) / len(bar)) == 6
        assert round(4 * bar.count("▒") / len(bar)) == 1
        rows = {line.split("  ")[0]: line for line in lines if line[:2] in ("█ ", "▒ ", "▂ ")}
        assert set(rows) == {"█ System prompt", "▒ Room for the answer", "▂ Opening"}
        assert rows["▒ Room for the answer"].count("━") > 5 * rows["█ System prompt"].count("━")
        assert rows["▂ Opening"].endswith("<1%")
