# SPDX-License-Identifier: Apache-2.0
"""Rows of Alpaca, LLaMA-Factory's default, as turns.

    {"instruction", "input", "output", "system", "history": [[question, answer], ...]}

`instruction` and, on a line behind it, `input` are the newest question, `output` is its answer;
`history` stands before them and `system` before all. Only `instruction` and `output` must be
there.
"""

from __future__ import annotations

from collections.abc import Mapping

from yuren_train.data.faults import Wrong, shortened

INSTRUCTION = "instruction"
"""A row with this key, and no list of turns, is Alpaca."""

Turn = dict[str, object]


def alpaca_turns(raw: Mapping[object, object]) -> list[Turn]:
    """The turns of a row, as OpenAI writes them; nothing in them is checked but the question.

    Raises:
        Wrong: there is no `output`, `instruction` or `input` is no text, or `history` no pairs.
    """
    if raw.get("output") is None:
        raise Wrong("no_output", shortened(", ".join(map(str, raw))))
    turns: list[Turn] = []
    if raw.get("system"):
        turns.append({"role": "system", "content": raw["system"]})
    history = raw.get("history") or []
    for pair in history if isinstance(history, list) else [history]:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise Wrong("not_history", shortened(pair))
        turns.append({"role": "user", "content": pair[0]})
        turns.append({"role": "assistant", "content": pair[1]})
    asked: list[str] = []
    for text in (raw[INSTRUCTION], raw.get("input") or ""):
        if not isinstance(text, str):
            raise Wrong("not_text", shortened(text))
        asked.append(text)
    turns.append({"role": "user", "content": "\n".join(filter(None, asked))})
    turns.append({"role": "assistant", "content": raw["output"]})
    return turns
