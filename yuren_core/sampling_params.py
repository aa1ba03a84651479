# SPDX-License-Identifier: Apache-2.0
"""How the next token is chosen: the values a person sets, checked where they are made."""

from __future__ import annotations

from dataclasses import dataclass, fields

from yuren_core.errors import UsageError
from yuren_core.i18n import tr


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """Sampling of one answer. Refuses values that cannot be.

    Attributes:
        temperature: 0 takes the most likely token always; 2 at most.
        top_p: keep the smallest set of tokens whose probability reaches this; 1 is off.
        top_k: keep this many tokens; 0 is off.
        min_p: drop tokens less likely than this share of the likeliest; 0 is off.
        repetition_penalty: divide the logits of tokens already there by this; 1 is off.
        seed: the same seed and prompt give the same answer; None draws one.
        max_new_tokens: the longest answer, in tokens.
        stop: the answer ends before any of these strings.
    """

    temperature: float = 0.2
    top_p: float = 0.9
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    max_new_tokens: int = 1024
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check("temperature", 0.0 <= self.temperature <= 2.0)
        self._check("top_p", 0.0 < self.top_p <= 1.0)
        self._check("top_k", self.top_k >= 0)
        self._check("min_p", 0.0 <= self.min_p < 1.0)
        self._check("repetition_penalty", 0.5 <= self.repetition_penalty <= 2.0)
        self._check("seed", self.seed is None or 0 <= self.seed < 2**63)
        self._check("max_new_tokens", self.max_new_tokens >= 1)
        self._check("stop", all(self.stop))

    def _check(self, name: str, is_right: bool) -> None:
        if not is_right:
            raise UsageError(
                tr("error.sampling.wrong", name=name, value=repr(getattr(self, name))),
                tr(f"error.sampling.allowed_{name}"),
            )


@dataclass(frozen=True, slots=True)
class SamplingAdvice:
    """What a model's makers recommend, for whoever says nothing else; None says nothing."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None

    @property
    def values(self) -> dict[str, float]:
        """What is recommended, by the names of `SamplingParams`."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


NO_ADVICE = SamplingAdvice()
GREEDY = SamplingAdvice(temperature=0.0)
"""The likeliest token always."""
