# SPDX-License-Identifier: Apache-2.0
"""Choose the next token from logits, as `SamplingParams` says; and end answers at stop strings.

The order is transformers': repetition penalty, temperature, top-k, top-p, min-p. Tokens that
must never be written (control tokens other than the stops, padding rows) are ruled out first.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import FloatTensor, LongTensor, Tensor
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from yuren_core.errors import ModelError
from yuren_core.i18n import tr
from yuren_core.sampling_params import SamplingParams


class Sampler:
    """Draws the tokens of one answer.

    Args:
        params: how.
        forbidden: (V,) bool on the logits' device, true at tokens that are never drawn.
        prompt_ids: the prompt, which the repetition penalty counts as already there.
    """

    def __init__(
        self, params: SamplingParams, *, forbidden: Tensor, prompt_ids: Sequence[int]
    ) -> None:
        self._forbidden = forbidden
        self._is_greedy = params.temperature == 0
        self._penalizes = params.repetition_penalty != 1
        self._seen = cast(  # (1, T)
            "LongTensor", torch.tensor([list(prompt_ids)], device=forbidden.device)
        )
        self._generator = torch.Generator().manual_seed(
            secrets.randbits(63) if params.seed is None else params.seed
        )
        self._processors = LogitsProcessorList()
        if self._penalizes:
            self._processors.append(RepetitionPenaltyLogitsProcessor(params.repetition_penalty))
        if self._is_greedy:
            return
        if params.temperature != 1:
            self._processors.append(TemperatureLogitsWarper(params.temperature))
        if params.top_k:
            self._processors.append(TopKLogitsWarper(params.top_k))
        if params.top_p < 1:
            self._processors.append(TopPLogitsWarper(params.top_p))
        if params.min_p:
            self._processors.append(MinPLogitsWarper(params.min_p))

    def next_token(self, logits: Tensor) -> int:
        """Draw a token.

        Args:
            logits: (V,) of any float dtype.

        Raises:
            ModelError: the logits are not numbers.
        """
        scores = logits.float().masked_fill(self._forbidden, -torch.inf).unsqueeze(0)  # (1, V)
        scores = self._processors(self._seen, cast("FloatTensor", scores))
        if self._is_greedy:
            token = int(scores.argmax())
            _check_finite(scores[0, token])
        else:
            probabilities = scores.softmax(-1).cpu()
            _check_finite(probabilities.sum())
            token = int(torch.multinomial(probabilities, 1, generator=self._generator))
        if self._penalizes:
            new = self._seen.new_tensor([[token]])
            self._seen = cast("LongTensor", torch.cat((self._seen, new), dim=1))
        return token


def forbidden_tokens(vocab_size: int, *, tokens: int, ruled_out: Iterable[int]) -> Tensor:
    """(V,) bool, true at what is never drawn: padding rows from `tokens` on, and `ruled_out`."""
    mask = torch.zeros(vocab_size, dtype=torch.bool)
    mask[tokens:] = True
    mask[list(ruled_out)] = True
    return mask


class StopStrings:
    """Ends an answer before any of some strings, holding back what may become one of them."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.is_reached = False

    def feed(self, text: str) -> str:
        """Take new text; return what can be shown. Sets `is_reached` where the answer ends."""
        if not self._stops:
            return text
        self._held += text
        ends = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if ends:
            self.is_reached = True
            certain, self._held = self._held[: min(ends)], ""
            return certain
        keep = max(self._overlap(stop) for stop in self._stops)
        cut = len(self._held) - keep
        certain, self._held = self._held[:cut], self._held[cut:]
        return certain

    def flush(self) -> str:
        """What was held back, when the answer ends otherwise."""
        held, self._held = self._held, ""
        return held

    def _overlap(self, stop: str) -> int:
        """The longest end of the held text that begins `stop`."""
        for length in range(min(len(stop) - 1, len(self._held)), 0, -1):
            if self._held.endswith(stop[:length]):
                return length
        return 0


def _check_finite(value: Tensor) -> None:
    if not torch.isfinite(value):
        raise ModelError(tr("error.answer.no_numbers"), tr("error.answer.no_numbers_hint"))
