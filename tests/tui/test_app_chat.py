# SPDX-License-Identifier: Apache-2.0
"""Talking: send, stream, stop, follow, begin anew, and what the chat does when things go wrong."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.tui.chat_app import running
from yuren_core.errors import StorageError
from yuren_core.i18n import use_language
from yuren_tui.widgets.messages import TurnMessage
from yuren_tui.widgets.status_bar import StatusBar

LONG = " ".join(f"word{i}\n\n" for i in range(1000))


async def test_an_answer_streams_into_the_transcript_as_markdown(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", "It is **Paris**.") as chat:
        await chat.ready()
        await chat.ask("What is the capital of [red]France[/red]?")
        assert chat.questions == ["What is the capital of [red]France[/red]?"]
        assert chat.source() == "It is **Paris**."
        assert "It is Paris." in chat.screen_text()
        assert chat.chat.prompt.text == ""
        status = chat.chat.query_one(StatusBar).status
        assert (status.model, status.dtype, status.device) == ("scripted", "bf16", "cpu")
        assert status.used >= chat.session.context_used > 0
        assert status.tokens_per_s > 0


async def test_lines_are_broken_without_sending(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.pilot.press("a", "ctrl+j", "b", "shift+enter", "c")
        assert chat.chat.prompt.text == "a\nb\nc"
        assert chat.session.turns == []


async def test_the_prompt_grows_to_a_third_of_the_screen(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        assert chat.chat.prompt.size.height == 1
        chat.chat.prompt.text = "line\n" * 30
        await chat.pilot.pause()
        assert 5 <= chat.chat.prompt.outer_size.height <= 8


async def test_escape_stops_and_keeps_what_is_there(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", LONG, "--token-delay", "0.05") as chat:
        await chat.ready()
        await chat.ask("Count.", wait=False)
        await chat.until(lambda: chat.session.turns and chat.session.turns[-1].text)
        await chat.pilot.press("escape")
        await chat.idle()
        assert chat.answers[0].ending == "stopped"
        assert chat.source().startswith("word0")
        assert chat.chat.query_one(StatusBar).status.remark == "stopped"


async def test_scrolling_up_is_respected_and_ctrl_end_follows_again(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", LONG, "--token-delay", "0.03") as chat:
        await chat.ready()
        await chat.ask("Count.", wait=False)
        turns = chat.chat.transcript.turns
        await chat.until(lambda: turns.max_scroll_y > 10)
        await chat.pilot.press("pageup")
        await chat.pilot.pause()
        held, before = turns.scroll_y, turns.max_scroll_y
        await chat.until(lambda: turns.max_scroll_y > before + 5)
        assert turns.scroll_y == held
        assert not chat.chat.transcript.is_at_end
        await chat.pilot.press("ctrl+end")
        await chat.until(lambda: chat.chat.transcript.is_at_end)
        before = turns.max_scroll_y
        await chat.until(lambda: turns.max_scroll_y > before + 5)
        assert turns.scroll_y == turns.max_scroll_y


async def test_the_way_to_the_newest_line_goes_when_all_is_in_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = TurnMessage.draw

    async def slowly(message: TurnMessage) -> None:
        await asyncio.sleep(0.1)  # the layout comes before the message counts as shown
        await draw(message)

    async with running(tmp_path / "log", "--answer", "Yes.") as chat:
        await chat.open()
        monkeypatch.setattr(TurnMessage, "draw", slowly)
        await chat.ask("\n".join("a prompt of many lines"))
        await chat.ask("and it shrinks again")
        await chat.pilot.pause(0.1)
        window = chat.chat.transcript.turns
        assert window.scroll_y >= window.max_scroll_y
        assert chat.chat.transcript.is_at_end
        assert "newest" not in chat.screen_text()


async def test_one_can_write_and_send_while_the_model_loads(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--load-delay", "1", "--answer", "Here.") as chat:
        await chat.pilot.press(*"hi")
        assert chat.chat.prompt.text == "hi"
        await chat.until(lambda: chat.session.model.phase == "loading")
        await chat.until(lambda: chat.chat.query_one(StatusBar).status.fraction is not None)
        assert "weights" in chat.screen_text()
        await chat.pilot.press("enter")
        await chat.until(lambda: "Waiting for the model" in chat.screen_text())
        await chat.idle()
        assert chat.source() == "Here."


async def test_a_second_message_waits_its_turn_and_is_kept(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", LONG, "--token-delay", "0.05") as chat:
        await chat.ready()
        await chat.ask("one", wait=False)
        await chat.until(lambda: chat.session.is_answering)
        await chat.ask("two", wait=False)
        await chat.until(lambda: chat.toasts)
        assert chat.chat.prompt.text == "two"
        assert len(chat.questions) == 1


async def test_a_new_chat_is_empty(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        await chat.ask("Hello")
        await chat.pilot.press("ctrl+n")
        await chat.until(lambda: not chat.questions)
        assert (chat.answers, chat.session.turns) == ([], [])
        assert "yuren" in chat.screen_text()


async def test_what_could_not_be_answered_comes_back_into_the_prompt(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--fail-generate", "too [b]long[/b]") as chat:
        await chat.ready()
        await chat.ask("my words", wait=False)
        await chat.until(lambda: chat.toasts)
        assert chat.toasts == ["too [b]long[/b]"]
        assert chat.chat.prompt.text == "my words"
        assert chat.questions == []


async def test_the_process_killed_in_mid_answer(tmp_path: Path) -> None:
    options = ("--answer", LONG, "--token-delay", "0.05")
    async with running(tmp_path / "log", *options) as chat:
        await chat.ready()
        await chat.ask("one", wait=False)
        await chat.until(lambda: chat.session.turns and chat.session.turns[-1].text)
        os.kill(chat.session.client.pid or 0, signal.SIGKILL)
        await chat.idle()
        assert chat.answers[0].ending == "failed"
        assert chat.source().startswith("word0")
        assert "SIGKILL" in chat.notices[0]
        await chat.ready()  # started again without being asked
        await chat.ask("two", wait=False)
        await chat.until(lambda: len(chat.session.turns) == 4 and chat.session.turns[-1].text)
        await chat.pilot.press("escape")
        await chat.idle()


async def test_ctrl_q_during_an_answer_asks_once(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", LONG, "--token-delay", "0.05") as chat:
        await chat.ready()
        await chat.ask("Count.", wait=False)
        await chat.until(lambda: chat.session.turns and chat.session.turns[-1].text)
        await chat.pilot.press("ctrl+q")
        assert chat.app.is_running
        assert chat.session.is_answering
        assert "will be kept. Press it again to quit." in chat.toasts[-1]
        await chat.pilot.press("ctrl+q")
        await chat.until(lambda: not chat.app.is_running)


async def test_the_process_killed_while_idle_is_started_again(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()
        pid = chat.session.client.pid or 0
        os.kill(pid, signal.SIGKILL)
        await chat.until(lambda: chat.notices)
        await chat.ready()
        assert chat.session.client.pid not in (None, pid)


async def test_a_process_that_dies_in_every_answer_is_not_started_for_ever(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--crash-after", "1") as chat:
        for number in range(5):
            await chat.until(lambda: chat.session.model.phase in ("ready", "dead"))
            await chat.ask(str(number))
        assert chat.session.model.phase == "dead"
        assert "F5" in chat.notices[-1]
        await chat.pilot.press("f5")
        await chat.ready()


async def test_a_model_that_does_not_load_says_why(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--fail-load", "no [such] model") as chat:
        await chat.until(lambda: chat.notices)
        assert chat.notices == ["no [such] model"]
        assert "did not load" in chat.screen_text()


async def test_a_prompt_from_the_command_line_is_sent(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--echo", prompt="Say this.") as chat:
        await chat.until(lambda: chat.answers)
        await chat.idle()
        assert chat.source() == "Say this."


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40), (20, 8)])
async def test_resizing_breaks_nothing(tmp_path: Path, size: tuple[int, int]) -> None:
    async with running(tmp_path / "log", "--answer", LONG) as chat:
        await chat.ready()
        await chat.ask("Count.")
        await chat.pilot.resize_terminal(*size)
        await chat.pilot.pause()
        assert chat.chat.prompt.region.height >= 1
        assert chat.chat.query_one(StatusBar).region.bottom <= size[1]


async def test_ctrl_c_stops_then_asks_then_quits(tmp_path: Path) -> None:
    async with running(tmp_path / "log", "--answer", LONG, "--token-delay", "0.05") as chat:
        await chat.ready()
        await chat.ask("Count.", wait=False)
        await chat.until(lambda: chat.session.turns and chat.session.turns[-1].text)
        await chat.pilot.press("ctrl+c")
        await chat.idle()
        assert chat.answers[0].ending == "stopped"
        await chat.pilot.press("ctrl+c")
        assert chat.toasts == ["Press Ctrl+C again to quit."]
        await chat.pilot.press("ctrl+c")
        await chat.until(lambda: not chat.app.is_running)


async def test_an_unexpected_exception_goes_to_the_log_and_the_chat_goes_on(
    tmp_path: Path, home: Path
) -> None:
    async with running(tmp_path / "log", "--answer", "Still here.") as chat:
        await chat.ready()

        def fault() -> None:
            raise RuntimeError("boom")

        chat.chat.call_later(fault)
        await chat.until(lambda: chat.toasts)
        assert "chat.log" in chat.toasts[0]
        assert "boom" in (home / "log" / "chat.log").read_text()
        chat.app._faults.clear()
        await chat.ask("Hello?")
        assert chat.source() == "Still here."


async def test_chinese(tmp_path: Path) -> None:
    use_language("zh")
    answer = "**重点。**后文很重要。"
    async with running(tmp_path / "log", "--answer", answer) as chat:
        await chat.ready()
        await chat.ask("说重点")
        assert "重点。后文很重要。" in chat.screen_text()
        assert "发送" in chat.screen_text()


async def test_the_footer_names_the_keys(tmp_path: Path) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.until(lambda: "^n New chat" in chat.screen_text())
        assert "f1 Help" in chat.screen_text()
        assert "Stop" not in chat.screen_text()


async def test_a_failing_command_is_logged_and_the_chat_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    async with running(tmp_path / "log", "--answer", "Still here.") as chat:
        await chat.ready()

        def fail(*_: object) -> None:
            raise RuntimeError("boom")

        monkeypatch.setattr(chat.app, "push_screen", fail)
        await chat.pilot.press("f2")
        await chat.until(lambda: chat.toasts)
        assert "boom" in (home / "log" / "chat.log").read_text()
        chat.app._faults.clear()
        await chat.ask("Hello?")
        assert chat.source() == "Still here."


async def test_what_the_session_refuses_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "log") as chat:
        await chat.ready()

        async def refuse(*_: object) -> AsyncIterator[object]:
            raise StorageError("the disk is full", "Free some space.")
            yield

        monkeypatch.setattr(chat.session, "send", refuse)
        await chat.ask("my words", wait=False)
        await chat.until(lambda: chat.toasts)
        assert chat.toasts == ["the disk is full\nFree some space."]
        assert chat.chat.prompt.text == "my words"
        assert chat.answers == []
