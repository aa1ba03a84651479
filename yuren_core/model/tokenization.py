# SPDX-License-Identifier: Apache-2.0
"""Segments to ids and labels; which turns go when the context is full.

Control tokens come from control segments alone, looked up by string: text is encoded with
special tokens split, so a `<|im_end|>` that somebody typed is ordinary characters. Adjacent
text is encoded in one piece, as a server does that renders the chat template into a string;
so both give the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from yuren_core.chatml import ControlSegment, ImageSegment, Segment, TextSegment
from yuren_core.errors import ContextLengthError, ModelFormatError, NoVisionTowerError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart, Role
from yuren_core.model.detokenization import StreamDecoder
from yuren_core.model.prompt_format import ChatML, PromptFormat
from yuren_core.model.text_encoding import controls_marked, ids_with_places, mid_text, text_ids
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
        parts: what stays, encoded, and the opening of the answer.
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
    """A prompt format over a tokenizer of transformers.

    Args:
        tokenizer: a fast one that has the format's control tokens.
        image_tokens: patches of one picture (P); 0 for a model that cannot see.
        prompt_format: how the model is told a conversation.
        stop_ids: ids that end an answer, beside those of format and tokenizer.

    Raises:
        ModelFormatError: the tokenizer is a slow one, or lacks control tokens.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        image_tokens: int = 0,
        prompt_format: PromptFormat | None = None,
        stop_ids: Iterable[int] = (),
    ) -> None:
        self.tokenizer = tokenizer
        self.image_tokens = image_tokens
        self.prompt_format = prompt_format or ChatML()
        if not getattr(tokenizer, "is_fast", False):
            raise ModelFormatError(
                tr("error.tokenizer.slow", kind=type(tokenizer).__name__),
                tr("error.tokenizer.slow_hint"),
            )
        self._vocabulary = tokenizer.get_vocab()
        needed = self.prompt_format.needed(sees=bool(image_tokens))
        if missing := [token for token in needed if token not in self._vocabulary]:
            raise ModelFormatError(
                tr("error.tokenizer.lacking", tokens=" ".join(missing)),
                tr("error.tokenizer.lacking_hint"),
            )
        eos = tokenizer.eos_token_id
        self._stop_ids = frozenset(
            {*self._ids_of(self.prompt_format.stop_tokens()), *stop_ids}
            | ({eos} if isinstance(eos, int) else set())
        )
        self._control_ids = frozenset(self._ids_of(self.prompt_format.control_tokens()))
        self._opener = controls_marked(tokenizer)
        self._encoder = mid_text(self._opener)
        self._encode_part = lru_cache(maxsize=4096)(self.encode)

    def _ids_of(self, tokens: Iterable[str]) -> set[int]:
        return {self._vocabulary[token] for token in tokens if token in self._vocabulary}

    def control_id(self, token: str) -> int:
        """The id of a control token, by its string."""
        return self._vocabulary[token]

    @property
    def control_ids(self) -> frozenset[int]:
        """Ids of all control tokens that the tokenizer has, pad included."""
        return self._control_ids

    @property
    def patch_id(self) -> int | None:
        """The id that stands for each patch of a picture; None for a model that cannot see."""
        return self.control_id(self.prompt_format.picture[1]) if self.image_tokens else None

    @property
    def image_cost(self) -> int:
        """Tokens that one picture takes, its brackets included; 0 if the model cannot see."""
        before, _, after = self.prompt_format.picture
        return self.image_tokens + bool(before) + bool(after) if self.image_tokens else 0

    @property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end an answer: the format's, the tokenizer's own eos, and those given."""
        return self._stop_ids

    def encode_text(self, text: str) -> list[int]:
        """Ids of text as it stands after a control token; no string in it becomes one."""
        return text_ids(self._encoder, text)

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
        encoder = self._opener if run and run[0].opens else self._encoder
        ids = text_ids(encoder, text) if text else []
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
        before, patch, after = self.prompt_format.picture
        patches = [self.control_id(patch)] * self.image_tokens
        return [
            *([self.control_id(before)] if before else []),
            *patches,
            *([self.control_id(after)] if after else []),
        ]

    def _encode_items(self, prompt: Sequence[PromptItem]) -> list[Encoded]:
        """Each item of a prompt, and the opening of the answer."""
        parts = self.prompt_format.render([item.message for item in prompt])
        encoded: list[Encoded] = []
        start = 0
        for end in range(1, len(parts) + 1):
            if end < len(parts) and _runs_on(parts[end - 1], parts[end]):
                continue  # text on both sides: it is encoded in one piece
            if end - start == 1:
                encoded.append(self._encode_part(tuple(parts[start])))
            else:
                encoded += self._encode_chain(parts[start:end])
            start = end
        return encoded

    def _encode_chain(self, parts: Sequence[Sequence[Segment]]) -> list[Encoded]:
        """Parts between which text goes on; a token belongs to the part that it begins in."""
        ids: list[list[int]] = [[] for _ in parts]
        images: list[list[ImagePart]] = [[] for _ in parts]
        run: list[tuple[int, TextSegment]] = []

        def flush() -> None:
            ends, length = [], 0
            for owner, segment in run:
                length += len(segment.text)
                ends.append((length, owner))
            text = "".join(segment.text for _, segment in run)
            encoder = self._opener if run and run[0][1].opens else self._encoder
            for token, place in ids_with_places(encoder, text):
                ids[next((owner for end, owner in ends if place < end), run[-1][0])].append(token)
            run.clear()

        for owner, part in enumerate(parts):
            for segment in part:
                if isinstance(segment, TextSegment):
                    run.append((owner, segment))
                    continue
                flush()
                alone = self.encode([segment])
                ids[owner] += alone.input_ids
                images[owner] += alone.images
        flush()
        return [
            Encoded(tuple(own), (IGNORE_INDEX,) * len(own), tuple(seen))
            for own, seen in zip(ids, images, strict=True)
        ]

    def fit(self, prompt: Sequence[PromptItem], *, budget: int) -> Fit:
        """Decide what of a prompt stays within a budget; see `yuren_core.prompt` for the order.

        Args:
            prompt: what the model is told, in order.
            budget: tokens that it may have, the opening of the answer included.

        Raises:
            NoVisionTowerError: a picture, and the model cannot see.
            ModelFormatError: the model's own template refuses the conversation.
        """
        parts = self._encode_items(prompt)
        sizes = [len(part.input_ids) for part in parts]
        total = estimate = sum(sizes)
        dropped: set[int] = set()
        for unit in droppable_units(prompt):
            if total <= budget:
                break
            dropped.update(unit)
            estimate -= sum(sizes[place] for place in unit)
            total = estimate
            if estimate <= budget:  # a template may say the rest otherwise
                kept = [item for place, item in enumerate(prompt) if place not in dropped]
                parts = self._encode_items(kept)
                total = sum(len(part.input_ids) for part in parts)
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
        turns = sum(
            prompt[place].kind == "history" and prompt[place].message.role is Role.USER
            for place in fit.dropped
        )
        return FittedPrompt(
            Encoded(
                tuple(i for part in fit.parts for i in part.input_ids),
                tuple(i for part in fit.parts for i in part.labels),
                tuple(i for part in fit.parts for i in part.images),
            ),
            dropped_turns=turns,
        )

    def decode_stream(self, *, after: Sequence[int] = ()) -> StreamDecoder:
        """A decoder for one answer; `after`: the ids that it continues."""
        return StreamDecoder(self.tokenizer, after)


def _runs_on(part: Sequence[Segment], after: Sequence[Segment]) -> bool:
    return bool(part and after) and all(
        isinstance(segment, TextSegment) for segment in (part[-1], after[0])
    )


def common_prefix_length(left: Sequence[object], right: Sequence[object]) -> int:
    """How many items at the start are equal."""
    length = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        length += 1
    return length
