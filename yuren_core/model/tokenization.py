# SPDX-License-Identifier: Apache-2.0
"""Segments to ids and labels; which turns go when the context is full.

Control tokens come from control segments alone, looked up by string: text is encoded with
special tokens split, so a `<|im_end|>` that somebody typed is ordinary characters. Adjacent
text is encoded in one piece, as a server does that renders the chat template into a string;
so both give the same ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache

from tokenizers.pre_tokenizers import Metaspace
from tokenizers.pre_tokenizers import Sequence as PreTokenizerSequence
from transformers import PreTrainedTokenizerBase

from yuren_core.chatml import (
    CONTROL_TOKENS,
    IM_END,
    IMG_END,
    IMG_PATCH,
    IMG_START,
    PAD,
    ControlSegment,
    ImageSegment,
    Segment,
    TextSegment,
    generation_prompt,
    render_message,
)
from yuren_core.errors import ContextLengthError, ModelFormatError, NoVisionTowerError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.model.detokenization import StreamDecoder
from yuren_core.prompt import PromptItem, droppable_units

IGNORE_INDEX = -100
"""The label of what is not learned; cross_entropy's own default."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Ids, labels (both of length T) and the pictures whose patches are among the ids."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    images: tuple[ImagePart, ...] = ()


@dataclass(frozen=True, slots=True)
class Fit:
    """What stays of a prompt within a budget.

    Attributes:
        tokens: of each item.
        prompt_tokens: of what stays, with the opening of the answer.
        dropped: places of the items that go.
        fits: whether what stays is within the budget.
        parts: the encoded items, and the opening of the answer where there is one.
    """

    tokens: tuple[int, ...]
    prompt_tokens: int
    dropped: tuple[int, ...]
    fits: bool
    parts: Sequence[Encoded]


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """A prompt that fits, and how many of the oldest turns had to go."""

    encoded: Encoded
    dropped_turns: int


class ChatTokenizer:
    """ChatML over a tokenizer of transformers.

    Args:
        tokenizer: a fast one that has `<|im_start|>` and `<|im_end|>`.
        image_tokens: patches of one picture (P); 0 for a model that cannot see.

    Raises:
        ModelFormatError: the tokenizer is a slow one, or lacks control tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, image_tokens: int = 0) -> None:
        self.tokenizer = tokenizer
        self.image_tokens = image_tokens
        if not getattr(tokenizer, "is_fast", False):
            raise ModelFormatError(
                tr("error.tokenizer.slow", kind=type(tokenizer).__name__),
                tr("error.tokenizer.slow_hint"),
            )
        needed = CONTROL_TOKENS if image_tokens else CONTROL_TOKENS[:2]
        vocabulary = tokenizer.get_vocab()
        if missing := [token for token in needed if token not in vocabulary]:
            raise ModelFormatError(
                tr("error.tokenizer.lacking", tokens=" ".join(missing)),
                tr("error.tokenizer.lacking_hint"),
            )
        self._control_ids = {
            token: vocabulary[token] for token in (*CONTROL_TOKENS, PAD) if token in vocabulary
        }
        self._encoder = _mid_text(tokenizer)
        self._encode_message = lru_cache(maxsize=4096)(self._encode_message_uncached)

    def control_id(self, token: str) -> int:
        """The id of a control token, by its string."""
        return self._control_ids[token]

    @property
    def control_ids(self) -> frozenset[int]:
        """Ids of all control tokens that the tokenizer has, pad included."""
        return frozenset(self._control_ids.values())

    @property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end an answer: `<|im_end|>` and the tokenizer's own eos."""
        eos = self.tokenizer.eos_token_id
        return frozenset({self.control_id(IM_END)} | ({eos} if isinstance(eos, int) else set()))

    def encode_text(self, text: str) -> list[int]:
        """Ids of text as it stands after a control token; no string in it becomes one."""
        clean = text.encode("utf-8", "replace").decode() if not text.isascii() else text
        ids = self._encoder(
            clean, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        return list(ids)

    def encode(self, segments: Sequence[Segment]) -> Encoded:
        """Ids and labels of segments, out of one pass.

        Raises:
            NoVisionTowerError: a picture, and the model cannot see.
        """
        ids: list[int] = []
        labels: list[int] = []
        images: list[ImagePart] = []
        pending: list[TextSegment] = []

        def flush() -> None:
            new_ids, new_labels = self._encode_run(pending)
            ids.extend(new_ids)
            labels.extend(new_labels)
            pending.clear()

        for segment in segments:
            match segment:
                case TextSegment():
                    pending.append(segment)
                case ControlSegment(token, trainable):
                    flush()
                    ids.append(self.control_id(token))
                    labels.append(ids[-1] if trainable else IGNORE_INDEX)
                case ImageSegment(image):
                    flush()
                    new_ids = self._image_ids()
                    ids.extend(new_ids)
                    labels.extend([IGNORE_INDEX] * len(new_ids))
                    images.append(image)
        flush()
        return Encoded(tuple(ids), tuple(labels), tuple(images))

    def _encode_run(self, run: Sequence[TextSegment]) -> tuple[list[int], list[int]]:
        """Encode adjacent text in one piece; label the tokens that are wholly trainable.

        A run is untrained text (the role's header), then perhaps trained text. A token that
        merges the end of the one with the start of the other is not learned: the model never
        has to write it, since the header is given.
        """
        text = "".join(segment.text for segment in run)
        ids = self.encode_text(text) if text else []
        header = "".join(segment.text for segment in run if not segment.trainable)
        if len(header) == len(text):
            return ids, [IGNORE_INDEX] * len(ids)
        header_ids = self.encode_text(header) if header else []
        shared = common_prefix_length(header_ids, ids)
        start = shared if shared == len(header_ids) else shared + 1
        return ids, [IGNORE_INDEX] * start + ids[start:]

    def _image_ids(self) -> list[int]:
        if not self.image_tokens:
            raise NoVisionTowerError(tr("error.prompt.blind"), tr("error.prompt.blind_hint"))
        patches = [self.control_id(IMG_PATCH)] * self.image_tokens
        return [self.control_id(IMG_START), *patches, self.control_id(IMG_END)]

    def _encode_message_uncached(self, message: Message, closed: bool) -> Encoded:
        return self.encode(render_message(message, closed=closed))

    def fit(self, prompt: Sequence[PromptItem], *, budget: int) -> Fit:
        """Decide what of a prompt stays within a budget; see `yuren_core.prompt` for the order.

        Args:
            prompt: what the model is told, in order.
            budget: tokens that it may have, the opening of the answer included.

        Raises:
            NoVisionTowerError: a picture, and the model cannot see.
        """
        resume = bool(prompt) and prompt[-1].message.role is Role.ASSISTANT
        parts = [
            self._encode_message(item.message, not (resume and place == len(prompt) - 1))
            for place, item in enumerate(prompt)
        ]
        if not resume:
            parts.append(self.encode(generation_prompt()))
        sizes = [len(part.input_ids) for part in parts]
        total = sum(sizes)
        dropped: list[int] = []
        for unit in droppable_units(prompt):
            if total <= budget:
                break
            dropped += unit
            total -= sum(sizes[place] for place in unit)
        return Fit(
            tuple(sizes[: len(prompt)]), total, tuple(sorted(dropped)), total <= budget, parts
        )

    def encode_prompt(self, prompt: Sequence[PromptItem], *, budget: int) -> FittedPrompt:
        """A prompt's ids, cut to a budget by whole examples and whole turns.

        A last message of the assistant's is left open, so that it is continued.

        Args:
            prompt: what the model is told, in order.
            budget: tokens that it may have.

        Returns:
            The ids, and how many turns were left out.

        Raises:
            ContextLengthError: what must stay is longer than the budget.
            NoVisionTowerError: a picture, and the model cannot see.
        """
        fit = self.fit(prompt, budget=budget)
        if not fit.fits:
            raise ContextLengthError(
                tr("error.prompt.too_long", tokens=fit.prompt_tokens, budget=budget),
                tr("error.prompt.too_long_hint"),
            )
        left_out = set(fit.dropped)
        kept = [part for place, part in enumerate(fit.parts) if place not in left_out]
        turns = sum(
            prompt[place].kind == "history" and prompt[place].message.role is Role.USER
            for place in left_out
        )
        return FittedPrompt(
            Encoded(
                tuple(i for part in kept for i in part.input_ids),
                tuple(i for part in kept for i in part.labels),
                tuple(i for part in kept for i in part.images),
            ),
            dropped_turns=turns,
        )

    def decode_stream(self, *, after: Sequence[int] = ()) -> StreamDecoder:
        """A decoder for one answer; `after`: the ids that it continues."""
        return StreamDecoder(self.tokenizer, after)


def _mid_text(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A tokenizer for text that follows a control token, as all text of ChatML does.

    Some of SentencePiece's kind put a space before the first piece of a whole text alone. A
    rendered conversation begins with a control token, so none of its text gets one.
    """
    if not any(space.prepend_scheme == "first" for space in _metaspaces(tokenizer)):
        return tokenizer
    changed: PreTrainedTokenizerBase = deepcopy(tokenizer)
    for space in _metaspaces(changed):
        space.prepend_scheme = "never"
    return changed


def _metaspaces(tokenizer: PreTrainedTokenizerBase) -> list[Metaspace]:
    step = tokenizer.backend_tokenizer.pre_tokenizer
    # A Sequence has no length; its end is an IndexError, which iteration understands.
    steps = list(iter(step)) if isinstance(step, PreTokenizerSequence) else [step]
    return [step for step in steps if isinstance(step, Metaspace)]


def common_prefix_length(left: Sequence[object], right: Sequence[object]) -> int:
    """How many items at the start are equal."""
    length = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        length += 1
    return length
