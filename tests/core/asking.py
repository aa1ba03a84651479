# SPDX-License-Identifier: Apache-2.0
"""Asking an engine, and what an answer comes to."""

from __future__ import annotations

from yuren_core.inference.engine import Engine
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.prompt import prompt_items
from yuren_core.protocol import Cancelled, Completed, Delta, Prompt
from yuren_core.sampling_params import SamplingParams

GREEDY = SamplingParams(temperature=0, repetition_penalty=1, max_new_tokens=24)


def user(content: str, *images: ImagePart) -> Message:
    return Message.of(Role.USER, content, images)


def answer(
    engine: Engine, messages: list[Message], sampling: SamplingParams = GREEDY
) -> tuple[str, Prompt, Completed | Cancelled]:
    events = list(engine.generate(prompt_items(messages), sampling))
    prompt, end = events[0], events[-1]
    assert isinstance(prompt, Prompt)
    assert isinstance(end, Completed | Cancelled)
    deltas = [event for event in events[1:-1] if isinstance(event, Delta)]
    assert len(deltas) == len(events) - 2
    return "".join(delta.text for delta in deltas), prompt, end
