# SPDX-License-Identifier: Apache-2.0
"""The real model process over the real protocol, with the tiny model."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from yuren_core import protocol
from yuren_core.client import ModelClient
from yuren_core.i18n import use_language
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.prompt import prompt_items
from yuren_core.protocol import Cancelled, Completed, Delta, Event, Exited, Failed, Prompt, Ready
from yuren_core.sampling_params import SamplingParams

LONG = SamplingParams(temperature=0, repetition_penalty=1, max_new_tokens=400)
SHORT = SamplingParams(temperature=0, repetition_penalty=1, max_new_tokens=8)


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[ModelClient]:
    client = ModelClient(log_path=tmp_path / "model.log")
    await client.start()
    yield client
    await client.close()


async def load(client: ModelClient, directory: Path | str) -> Event:
    async for event in client.load(str(directory), load="bf16", device="cpu"):
        last = event
    return last


async def ask(
    client: ModelClient, *messages: Message, sampling: SamplingParams = SHORT
) -> list[Event]:
    return [event async for event in client.generate(prompt_items(messages), sampling)]


def user(text: str, *images: ImagePart) -> Message:
    return Message.of(Role.USER, text, images)


async def test_a_conversation_with_pictures(
    client: ModelClient, multimodal_model: Path, pictures: list[ImagePart]
) -> None:
    ready = await load(client, multimodal_model)
    assert isinstance(ready, Ready)
    assert (ready.device, ready.dtype, ready.context_length) == ("cpu", "bf16", 512)
    assert ready.image_tokens == 18
    assert ready.memory_bytes > 0
    first = user("What?", pictures[0])
    events = await ask(client, first)
    assert isinstance(events[0], Prompt)
    assert isinstance(events[-1], Completed)
    reply = "".join(event.text for event in events if isinstance(event, Delta))
    events = await ask(client, first, Message.of(Role.ASSISTANT, reply), user("And?"))
    assert isinstance(events[0], Prompt)
    assert events[0].cached_tokens > 18


async def test_errors_are_events_and_the_process_lives_on(
    client: ModelClient, text_model: Path, pictures: list[ImagePart]
) -> None:
    no_model = (await ask(client, user("hi")))[-1]
    assert isinstance(no_model, Failed)
    missing = await load(client, "/nowhere")
    assert isinstance(missing, Failed)
    assert missing.kind == "ModelNotFoundError"
    assert missing.hint
    assert isinstance(await load(client, text_model), Ready)
    blind = (await ask(client, user("What?", pictures[0])))[-1]
    assert isinstance(blind, Failed)
    assert blind.kind == "NoVisionTowerError"
    long = (await ask(client, user("word " * 5000)))[-1]
    assert isinstance(long, Failed)
    assert long.kind == "ContextLengthError"
    assert isinstance((await ask(client, user("hi")))[-1], Completed)
    assert isinstance(await client.ping(), protocol.Pong)
    assert isinstance(await client.unload(), protocol.Unloaded)
    assert isinstance((await ask(client, user("hi")))[-1], Failed)


async def test_a_picture_that_is_gone_is_an_event(
    client: ModelClient, multimodal_model: Path, tmp_path: Path
) -> None:
    await load(client, multimodal_model)
    events = await ask(client, user("What?", ImagePart(str(tmp_path / "gone.png"), "f" * 64)))
    assert isinstance(events[-1], Failed)
    assert events[-1].kind == "ImageError"
    assert "gone.png" in events[-1].message


async def test_errors_are_said_in_the_front_end_s_language(
    tmp_path: Path, multimodal_model: Path
) -> None:
    use_language("zh")
    client = ModelClient(log_path=tmp_path / "model.log")
    await client.start()
    try:
        failures = [
            (await ask(client, user("hi")))[-1],
            await load(client, tmp_path / "nowhere"),
            await load(client, tmp_path),
        ]
        assert isinstance(await load(client, multimodal_model), Ready)
        gone = ImagePart(str(tmp_path / "nowhere.png"), "f" * 64)
        failures += [
            (await ask(client, user("What?", gone)))[-1],
            (await ask(client, user("word " * 5000)))[-1],
        ]
    finally:
        await client.close()
    said = [(event.message, event.hint) for event in failures if isinstance(event, Failed)]
    assert [message for message, _ in said[:4]] == [
        "尚未加载模型",
        f"没有 {tmp_path}/nowhere 这个模型目录",
        f"{tmp_path} 不是模型目录：其中没有 config.json",
        f"没有 {tmp_path}/nowhere.png 这个文件",
    ]
    assert re.fullmatch(
        r"这条消息连同必须放在前面的内容共 \d+ 个词元，而上下文只容得下 \d+ 个", said[4][0]
    )
    assert all(hint.startswith("请") for _, hint in said[1:])


async def test_cancel_keeps_what_was_written(client: ModelClient, text_model: Path) -> None:
    await load(client, text_model)
    events: list[Event] = []
    async for event in client.generate(prompt_items([user("go")]), LONG):
        events.append(event)
        if isinstance(event, Delta):
            await client.cancel()
    end = events[-1]
    assert isinstance(end, Cancelled)
    assert end.completion_tokens < 400
    assert isinstance((await ask(client, user("next")))[-1], Completed)


async def test_kill_is_an_event_and_another_process_goes_on(
    client: ModelClient, text_model: Path
) -> None:
    await load(client, text_model)
    events: list[Event] = []
    async for event in client.generate(prompt_items([user("go")]), LONG):
        events.append(event)
        if isinstance(event, Delta) and client.pid is not None:
            os.kill(client.pid, signal.SIGKILL)
    assert isinstance(events[-1], Exited)
    assert events[-1].returncode == -signal.SIGKILL
    await client.start()
    assert isinstance(await load(client, text_model), Ready)
    assert isinstance((await ask(client, user("next")))[-1], Completed)


def test_nothing_but_the_protocol_is_on_stdout_and_the_end_of_input_ends_it(
    text_model: Path,
) -> None:
    lines = b"".join(
        [
            b"this is no request\n",
            protocol.encode(protocol.Generate(9, ())).replace(b'"top_p":0.9', b'"top_p":7'),
            protocol.encode(protocol.Load(1, str(text_model), "bf16", "cpu")),
            protocol.encode(protocol.Generate(2, prompt_items([user("hi")]), SHORT)),
        ]
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "yuren_core.inference.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(lines)
    process.stdin.flush()
    events = []
    while not events or not isinstance(events[-1], Completed):
        events.append(protocol.decode_event(process.stdout.readline()))
    assert isinstance(events[0], Failed)
    assert events[0].kind == "ProtocolError"
    assert isinstance(events[1], Failed)
    assert (events[1].id, events[1].kind) == (9, "UsageError")
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()


async def test_it_works_over_a_unix_socket(text_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    connected = asyncio.get_running_loop().create_future()
    server = await asyncio.start_unix_server(lambda r, w: connected.set_result((r, w)), path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "yuren_core.inference.worker", "--socket", str(path)
    )
    reader, writer = await asyncio.wait_for(connected, 30)
    writer.write(protocol.encode(protocol.Load(1, str(text_model), "bf16", "cpu")))
    event: Event | None = None
    while not isinstance(event, Ready):
        event = protocol.decode_event(await asyncio.wait_for(reader.readline(), 30))
        assert not isinstance(event, Failed)
    writer.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0
    server.close()
