# SPDX-License-Identifier: Apache-2.0
"""Ids back to text, one at a time, as an answer is written.

What has been given out is never taken back, and a character of several tokens comes when it is
whole. Bytes that make no character are given as U+FFFD once something readable follows them;
they never end an answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

_BROKEN = "\ufffd"


class StreamDecoder:
    """Decodes one answer.

    Decoders of SentencePiece's kind treat the start of a text specially and look at bytes in
    runs, so a token is decoded together with those before it, and what they alone give is cut
    off. Two steps back are enough: it is only the start that must not show.

    Args:
        tokenizer: a fast one.
        after: ids that the answer continues; empty for one that begins.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, after: Sequence[int] = ()) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._ids = list(after)
        self._start = 0
        self._given = len(self._ids)

    def step(self, token_id: int) -> str:
        """The text that has become certain with this id; often empty inside a character."""
        self._ids.append(token_id)
        before = self._decode(self._ids[self._start : self._given])
        text = self._decode(self._ids[self._start :])
        if text.endswith(_BROKEN) or len(text) <= len(before):
            return ""
        self._start, self._given = self._given, len(self._ids)
        return text[len(before) :]

    def _decode(self, ids: list[int]) -> str:
        return str(self._backend.decode(ids, skip_special_tokens=True))
