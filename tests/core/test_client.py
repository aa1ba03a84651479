# SPDX-License-Identifier: Apache-2.0
"""The client with real processes: streams, cancels, deaths, restarts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from yuren_core import client as client_module
from yuren_core.client import ModelClient
from yuren_core.errors import StorageError
from yuren_core.messages import Message, Role
from yuren_core.prompt import prompt_items
from yuren_core.protocol import (
    Cancelled,
    Completed,
    Delta,
    Event,
    Exited,
    Failed,
    Loading,
    Pong,
    Prompt,
    Ready,
    Unloaded,
)
from yuren_core.sampling_params import SamplingParams

Start = Callable[..., "asyncio.Future[ModelClient]"]
SCRIPTED = (sys.executable, "-m", "yuren_core.scripted")
SLOW = ("--answer", "word " * 400, "--token-delay", "0.02")
SAMPLING = SamplingParams(max_new_tokens=10_000_000)

pytestmark = pytest.mark.usefixtures("home")


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., object]]:
    """Start clients whose processes end with the test."""
    clients: list[ModelClient] = []

    async def make(*options: str, command: tuple[str, ...] = SCRIPTED) -> ModelClient:
        clients.append(ModelClient((*command, *options), log_path=tmp_path / "log" / "model.log"))
        await clients[-1].start()
        return clients[-1]

    yield make
    for client in clients:
        if client.pid is not None:
            os.kill(client.pid, signal.SIGKILL)
        await client.close()


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def generate(client: ModelClient, text: str) -> AsyncGenerator[Event, None]:
    return client.generate(prompt_items([Message.of(Role.USER, text)]), SAMPLING)


async def all_of(stream: AsyncGenerator[Event, None]) -> list[Event]:
    return [event async for event in stream]


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def kill(client: ModelClient) -> None:
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)


async def test_a_load_tells_its_progress_and_ends_ready(start: Start) -> None:
    client = await start()
    events = await all_of(client.load("some/model", load="8bit"))
    assert [type(event) for event in events] == [Loading] * 5 + [Ready]
    assert isinstance(events[-1], Ready)
    assert events[-1].path == "some/model"


async def test_an_answer_comes_in_pieces_with_one_end(start: Start) -> None:
    client = await start("--answer", "one two three")
    events = await all_of(generate(client, "count"))
    assert [type(event) for event in events] == [Prompt, Delta, Delta, Delta, Completed]
    assert text_of(events) == "one two three"


async def test_unload_and_ping_have_answers(start: Start) -> None:
    client = await start()
    assert isinstance(await client.unload(), Unloaded)
    assert isinstance(await client.ping(), Pong)


async def test_a_failure_ends_its_stream_and_nothing_else(start: Start) -> None:
    client = await start("--fail-generate", "too long")
    events = await all_of(generate(client, "x"))
    assert [(e.kind, e.message) for e in events if isinstance(e, Failed)] == [
        ("ContextLengthError", "too long")
    ]
    assert isinstance(await client.ping(), Pong)


async def test_cancel_ends_the_stream_with_cancelled(start: Start) -> None:
    client = await start(*SLOW)
    events: list[Event] = []
    async for event in generate(client, "go"):
        events.append(event)
        if isinstance(event, Delta) and event.completion_tokens == 2:
            await client.cancel()
    assert isinstance(events[-1], Cancelled)
    assert 2 <= events[-1].completion_tokens < 20
    assert sum(isinstance(event, Delta) for event in events) == events[-1].completion_tokens


async def test_leaving_a_stream_early_cancels_it(start: Start) -> None:
    client = await start(*SLOW)
    stream = generate(client, "go")
    async for event in stream:
        if isinstance(event, Delta):
            break
    await stream.aclose()
    async with asyncio.timeout(60):  # the whole answer would take eight seconds
        events = await all_of(client.load("next"))
    assert isinstance(events[-1], Ready)


async def test_a_task_that_is_cancelled_cancels_its_answer(start: Start) -> None:
    client = await start(*SLOW)
    task = asyncio.create_task(all_of(generate(client, "go")))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(60):
        assert isinstance((await all_of(client.load("next")))[-1], Ready)


async def test_a_death_is_told_to_every_open_stream(start: Start) -> None:
    client = await start(*SLOW)
    has_begun = asyncio.Event()

    async def answer(text: str) -> list[Event]:
        events = []
        async for event in generate(client, text):
            events.append(event)
            if isinstance(event, Delta):
                has_begun.set()
        return events

    streams = [asyncio.create_task(answer(text)) for text in ("one", "two")]
    streams.append(asyncio.create_task(all_of(client.load("queued"))))
    await has_begun.wait()
    kill(client)
    for events in await asyncio.gather(*streams):
        assert isinstance(events[-1], Exited)
        assert events[-1].returncode == -signal.SIGKILL
        assert events[-1].log_path == str(client.log_path)
    assert text_of(streams[0].result()).startswith("word ")
    assert not client.is_running
    assert client.pid is None


async def test_after_a_death_requests_say_so_until_another_start(start: Start) -> None:
    client = await start("--answer", "again")
    kill(client)
    assert isinstance(await client.ping(), Exited)
    assert isinstance((await all_of(generate(client, "x")))[-1], Exited)
    assert isinstance((await all_of(client.load("x")))[-1], Exited)
    await client.cancel()
    await client.start()
    assert text_of(await all_of(generate(client, "x"))) == "again"


async def test_a_crash_in_the_answer_keeps_the_words_before_it(start: Start) -> None:
    client = await start("--answer", "one two three four", "--crash-after", "2")
    events = await all_of(generate(client, "x"))
    assert text_of(events) == "one two "
    assert isinstance(events[-1], Exited)


async def test_a_process_that_ends_at_once_is_an_event(start: Start) -> None:
    client = await start(command=python("raise SystemExit(7)"))
    events = await all_of(client.load("x"))
    assert [event.returncode for event in events if isinstance(event, Exited)] == [7]


async def test_before_any_start_requests_say_that_nothing_runs(tmp_path: Path) -> None:
    client = ModelClient(SCRIPTED, log_path=tmp_path / "model.log")
    event = await client.ping()
    assert isinstance(event, Exited)
    assert event.returncode is None
    await client.close()


async def test_starting_twice_keeps_the_process(start: Start) -> None:
    client = await start()
    pid = client.pid
    await client.start()
    assert client.pid == pid


async def test_starting_and_closing_at_once_leaves_one_process_or_none(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[asyncio.subprocess.Process] = []
    create = asyncio.create_subprocess_exec

    async def counting(*command: str, **options: Any) -> asyncio.subprocess.Process:
        started.append(await create(*command, **options))
        return started[-1]

    client = await start()
    await client.close()
    monkeypatch.setattr(asyncio, "create_subprocess_exec", counting)
    await asyncio.gather(*(client.start() for _ in range(4)))
    assert [process.pid for process in started] == [client.pid]
    await asyncio.gather(client.close(), client.start(), client.close())
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)


async def test_closing_twice_and_starting_after_it(start: Start) -> None:
    client = await start()
    pid = client.pid
    assert pid is not None
    await client.close()
    await client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert isinstance(await client.ping(), Exited)
    await client.start()
    assert isinstance(await client.ping(), Pong)


async def test_close_ends_open_streams(start: Start) -> None:
    client = await start("--answer", "word " * 20, "--token-delay", "0.05")
    task = asyncio.create_task(all_of(generate(client, "go")))
    await asyncio.sleep(0.2)
    await client.close()
    assert isinstance((await task)[-1], Exited | Completed)


async def test_close_ends_a_process_that_listens_to_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_GRACE_S", 0.2)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True)"
    client = await start(command=python(f"{deaf}; time.sleep(60)"))
    pid = client.pid
    assert pid is not None
    await asyncio.sleep(0.3)  # until it is deaf
    async with asyncio.timeout(60):
        await client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_megabyte_goes_both_ways_on_one_line(start: Start) -> None:
    client = await start("--echo")
    text = "\u2028猫\ud800x" * 250_000
    async with asyncio.timeout(60):
        events = await all_of(generate(client, text))
    assert text_of(events) == text
    assert isinstance(events[-1], Completed)


async def test_a_line_over_the_limit_ends_the_process(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_LINE_LIMIT", 10_000)
    client = await start("--echo")
    events = await all_of(generate(client, "x" * 100_000))
    assert isinstance(events[-1], Exited)
    await client.start()
    assert isinstance(await client.ping(), Pong)


async def test_a_process_that_prints_to_us_is_told_from_one_that_answers(start: Start) -> None:
    client = await start(command=python("input(); print('Downloading: 10%', flush=True); input()"))
    events = await all_of(client.load("x"))
    assert [event.kind for event in events if isinstance(event, Failed)] == ["ProtocolError"]


async def test_answers_to_nobody_are_dropped(start: Start) -> None:
    code = (
        "import sys; from yuren_core.protocol import *\n"
        "for line in sys.stdin.buffer:\n"
        "    for n in (0, 999, decode_request(line).id):\n"
        "        sys.stdout.buffer.write(encode(Pong(n)))\n"
        "    sys.stdout.flush()\n"
    )
    client = await start(command=python(code))
    assert isinstance(await client.ping(), Pong)
    assert isinstance(await client.ping(), Pong)


async def test_what_the_process_prints_is_in_its_log(start: Start) -> None:
    client = await start(command=python("import sys; sys.exit('Ünexpected')"))
    await client.ping()
    assert client.log_path.read_text(encoding="utf-8").strip() == "Ünexpected"


async def test_a_long_log_is_begun_anew(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_LOG_LIMIT", 4)
    client = await start(command=python("import sys; sys.exit('long enough')"))
    for _ in range(2):
        await client.ping()
        await client.start()
    await client.ping()
    assert client.log_path.read_text().strip() == "long enough"


async def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    client = ModelClient(SCRIPTED, log_path=tmp_path / "file" / "model.log")
    with pytest.raises(StorageError):
        await client.start()
    assert not client.is_running


async def test_ctrl_c_in_the_terminal_does_not_reach_the_process(start: Start) -> None:
    client = await start()
    assert client.pid is not None
    assert os.getsid(client.pid) != os.getsid(0)
