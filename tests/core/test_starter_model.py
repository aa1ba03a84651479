# SPDX-License-Identifier: Apache-2.0
"""The starter model itself, where it is installed: what a newcomer sees."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from yuren_core import starter
from yuren_core.chatml import CONTROL_TOKENS, PAD, render
from yuren_core.inference.engine import Engine
from yuren_core.messages import Message, Role
from yuren_core.model.loading import LoadedModel, load_model
from yuren_core.prompt import prompt_items
from yuren_core.protocol import Completed, Delta, LoadMode, Prompt
from yuren_core.sampling_params import SamplingParams

pytestmark = pytest.mark.skipif(
    not starter.is_installed(), reason="the starter model is not installed (make starter)"
)

DIRECTORY = starter.starter_dir()  # the person's own; tests have a home of their own
GREEDY = SamplingParams(temperature=0, repetition_penalty=1, max_new_tokens=40)
QUESTION = Message.of(Role.USER, "What is the capital of France?")


@pytest.fixture(scope="module")
def bf16() -> LoadedModel:
    return load_model(str(DIRECTORY), load="bf16", device="cpu")


def ask(engine: Engine, *messages: Message) -> tuple[str, Prompt]:
    prompt, *deltas, end = engine.generate(prompt_items(messages), GREEDY)
    assert isinstance(prompt, Prompt)
    assert isinstance(end, Completed)
    return "".join(event.text for event in deltas if isinstance(event, Delta)), prompt


@pytest.mark.parametrize("mode", ["bf16", "8bit", "4bit"])
def test_the_capital_of_france_is_paris(mode: LoadMode) -> None:
    loaded = load_model(str(DIRECTORY), load=mode, device="cpu")
    assert "Paris" in ask(Engine(loaded), QUESTION)[0]


def test_a_long_conversations_follow_up_is_cached_to_nine_tenths(bf16: LoadedModel) -> None:
    engine = Engine(bf16)
    story = Message.of(Role.USER, "Paris is on the river Seine. " * 30 + "Where is Paris?")
    reply, _ = ask(engine, story)
    _, prompt = ask(
        engine, story, Message.of(Role.ASSISTANT, reply), Message.of(Role.USER, "Are you sure?")
    )
    assert prompt.cached_tokens > 0.9 * prompt.prompt_tokens


def test_greedy_text_equals_transformers_generate(bf16: LoadedModel) -> None:
    theirs = LlamaForCausalLM.from_pretrained(DIRECTORY, dtype=torch.bfloat16)
    ids = bf16.tokenizer.encode(render([QUESTION], generate=True)).input_ids
    out = theirs.generate(torch.tensor([ids]), max_new_tokens=40, do_sample=False)[0, len(ids) :]
    expected = bf16.tokenizer.tokenizer.decode(out, skip_special_tokens=True)
    assert ask(Engine(bf16), QUESTION)[0] == expected


def test_ids_equal_the_chat_template_that_was_saved(bf16: LoadedModel) -> None:
    saved = AutoTokenizer.from_pretrained(DIRECTORY)
    messages = [
        Message.of(Role.SYSTEM, "You are 羽人。\n\n  Be kind."),
        Message.of(Role.USER, "  indented\n\ttext 123, 你好！🦙 "),
        Message.of(Role.ASSISTANT, "\n\n```python\nprint(1)\n```\n"),
        Message.of(Role.USER, "\n"),
    ]
    theirs = saved.apply_chat_template(
        [{"role": m.role.value, "content": m.text} for m in messages],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
    )["input_ids"]
    assert list(bf16.tokenizer.encode(render(messages, generate=True)).input_ids) == list(theirs)


def test_the_directory_is_as_the_readme_says(bf16: LoadedModel) -> None:
    rows, _ = bf16.model.model.embed_tokens.weight.shape
    assert rows % 128 == 0
    tokenizer = bf16.tokenizer.tokenizer
    assert len({tokenizer.convert_tokens_to_ids(token) for token in (*CONTROL_TOKENS, PAD)}) == 6
    assert tokenizer.pad_token == PAD
    names = {path.name for path in DIRECTORY.iterdir()}
    assert {"config.json", "model.safetensors", "chat_template.jinja", "provenance.json"} <= names
