# SPDX-License-Identifier: Apache-2.0
"""What the language model says is written as rows that training takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from yuren_train.recipes.starter import rehearsal
from yuren_train.recipes.starter.rehearsal import _questions, _whole_sentences, write_rehearsal


def test_rows_of_its_own_words(
    text_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "_SENTENCE_END", re.compile("$"))  # chance makes no sentences
    told: list[str] = []
    target = tmp_path / "rehearsal.jsonl"
    write_rehearsal(
        text_model, target, rows=6, seed=1, systems=("Be brief.",), tell=told.append, most_tokens=8
    )
    rows = [json.loads(line)["conversations"] for line in target.read_text().splitlines()]
    assert told == ["rehearsal 6/6"]
    assert rows
    for row in rows:
        assert [turn["from"] for turn in row[-2:]] == ["human", "gpt"]
        assert all(turn["value"].strip() for turn in row)


def test_questions_are_many_and_half_have_a_system_prompt() -> None:
    questions = _questions(400, np.random.default_rng(0), ("Be brief.",))
    assert len({turns[-1]["content"] for turns in questions}) > 300
    assert 150 < sum(len(turns) == 2 for turns in questions) < 250
    assert not any("{" in turns[-1]["content"] for turns in questions)


def test_a_long_answer_ends_with_a_sentence() -> None:
    assert _whole_sentences("One. Two 2.5 and thr") == "One."
    assert _whole_sentences('He said: "Go." Then') == 'He said: "Go."'
    assert _whole_sentences("好。还没说") == "好。"
    assert _whole_sentences("no end") == ""
