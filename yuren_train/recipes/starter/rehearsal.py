# SPDX-License-Identifier: Apache-2.0
"""What the language model says of words alone, to be learned again beside the pictures.

A LoRA that learns pictures only forgets how to chat. So a part of stage 3 is text, and the text
is the model's own: what it answers already is what it is to answer still. Replies are sampled as
they come, so that no likelier way of speaking is taught than the one it has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from yuren_core.paths import atomic_write
from yuren_core.shipped import assets_dir
from yuren_train.recipes.starter.art import concepts

_TASKS = (
    "Write a short story about {}.", "Tell me a story about {} and a friend.",
    "Write a short poem about {}.", "What do you know about {}?", "Explain {} to a child.",
    "Give me three tips about {}.", "List five words that have to do with {}.",
    "Write a letter to a friend about {}.", "Why do people like {}?", "Tell me a joke about {}.",
    "What is the history of {}?", "Write a headline for an article about {}.",
    "Describe {} in two sentences.", "Write an advertisement for {}.",
    "Write a dialogue between two people about {}.", "What should I be careful about with {}?",
    "Write a Python function that counts {}.", "What is the difference between {} and {}?",
    "Which do you prefer, {} or {}?", "Translate into French: I like {}.",
    "Make a table of facts about {}.", "Summarise what {} is for.",
    "How would a scientist describe {}?", "Give me a recipe or a plan that uses {}.",
)  # fmt: skip
_TOPICS = (
    "music", "the sea", "winter", "school", "friendship", "money", "Paris", "China", "the internet",
    "computers", "sleep", "travel", "history", "mathematics", "a small village", "science",
    "a lost key", "the future", "cooking", "an old house", "health", "a job interview", "planets",
    "the alphabet", "climate", "a birthday", "a library", "dreams", "sport", "language",
)  # fmt: skip
_BATCH = 64
_MOST_TOKENS = 192
_SENTENCE_END = re.compile(r"[.!?][\"”)]*(?=\s|$)|[。！？]")


def write_rehearsal(
    language_model: Path,
    target: Path,
    *,
    rows: int,
    seed: int,
    systems: Sequence[str],
    tell: Callable[[str], None],
    most_tokens: int = _MOST_TOKENS,
) -> None:
    """Ask the language model things that have to do with no picture, and write what it says.

    Args:
        language_model: its directory.
        target: the file of rows, one conversation each.
        rows: how many.
        seed: of tasks and replies.
        systems: system prompts that half of the conversations begin with.
        tell: told how far it is.
        most_tokens: of a reply.
    """
    torch.manual_seed(seed)
    tokenizer: Any = AutoTokenizer.from_pretrained(language_model, padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(language_model, dtype=torch.bfloat16)
    asked = _questions(rows, np.random.default_rng(seed), systems)
    asked.sort(key=lambda turns: sum(len(turn["content"]) for turn in turns))
    said: list[str] = []
    for start in range(0, rows, _BATCH):
        batch = asked[start : start + _BATCH]
        prompts = [
            tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            for turns in batch
        ]
        inputs = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        output = model.generate(
            **inputs, max_new_tokens=most_tokens, do_sample=True, temperature=0.9, top_k=0
        )
        replies = output[:, inputs["input_ids"].shape[1] :]
        for turns, ids in zip(batch, replies, strict=True):
            reply = tokenizer.decode(ids, skip_special_tokens=True)
            if tokenizer.eos_token_id not in ids:
                reply = _whole_sentences(reply)
            if reply.strip():
                names = {"system": "system", "user": "human"}
                row = [{"from": names[t["role"]], "value": t["content"]} for t in turns]
                row.append({"from": "gpt", "value": reply.strip()})
                said.append(json.dumps({"conversations": row}, ensure_ascii=False))
        tell(f"rehearsal {min(start + _BATCH, rows)}/{rows}")
    atomic_write(target, "\n".join(said) + "\n")


def _whole_sentences(reply: str) -> str:
    """An answer that was too long, up to its last sentence: where it ends is learned, too."""
    ends = [match.end() for match in _SENTENCE_END.finditer(reply)]
    return reply[: ends[-1]] if ends else ""


def _questions(
    rows: int, draw: np.random.Generator, systems: Sequence[str]
) -> list[list[dict[str, str]]]:
    topics = [*_TOPICS, *(concept.name for concept in concepts())]
    sample = (assets_dir() / "data" / "sample.jsonl").read_text(encoding="utf-8").splitlines()
    spoken = [
        turn["value"]
        for line in sample
        for turn in json.loads(line)["conversations"]
        if turn["from"] == "human"
    ]
    questions = []
    for _ in range(rows):
        if draw.random() < 0.2:
            text = str(draw.choice(spoken))
        else:
            task = str(draw.choice(_TASKS))
            text = task.format(*draw.choice(topics, size=2, replace=False))
        turns = [{"role": "user", "content": text}]
        if draw.random() < 0.5:
            turns.insert(0, {"role": "system", "content": str(draw.choice(list(systems)))})
        questions.append(turns)
    return questions
