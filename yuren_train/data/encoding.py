# SPDX-License-Identifier: Apache-2.0
"""A raw row to ids, by every step that training takes; `check` and `tokenize` share it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from yuren_core.errors import ImageError
from yuren_core.messages import ImagePart, Message, Part
from yuren_core.model.tokenization import ChatTokenizer
from yuren_train.data.faults import Fault, Place, shortened
from yuren_train.data.pictures import is_data_url, opened
from yuren_train.data.schema import Row, parse_row
from yuren_train.data.truncation import Fitted, fit_conversation


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """What makes a `RowEncoder`; can be sent to other processes.

    Attributes:
        tokenizer: of the model; None checks rows and pictures without counting tokens.
        image_tokens: patches of one picture; 0 for a model that cannot see.
        max_length: tokens that a row may have.
        images_dir: what pictures' paths are relative to; None is each file's directory.
        store: where pictures out of `data:` URLs are written; None keeps none of them.
        words_alone: of rows with pictures, count what a model that cannot see would read; such
            rows are faulty otherwise.
    """

    tokenizer: PreTrainedTokenizerBase | None
    image_tokens: int
    max_length: int
    images_dir: Path | None
    store: Path | None = None
    words_alone: bool = False

    @classmethod
    def of(
        cls,
        tokenizer: ChatTokenizer | None,
        *,
        max_length: int,
        images_dir: Path | None,
        store: Path | None = None,
        words_alone: bool = False,
    ) -> EncoderSpec:
        """The same with core's tokenizer, which itself cannot be sent."""
        inner = tokenizer.tokenizer if tokenizer else None
        image_tokens = tokenizer.image_tokens if tokenizer else 0
        return cls(inner, image_tokens, max_length, images_dir, store, words_alone)


class RowEncoder:
    """Turns raw rows into ids."""

    def __init__(self, spec: EncoderSpec) -> None:
        self._spec = spec
        self._tokenizer = (
            ChatTokenizer(spec.tokenizer, image_tokens=spec.image_tokens)
            if spec.tokenizer
            else None
        )
        # Several rows often ask about one picture.
        self._opened = lru_cache(maxsize=1024)(partial(opened, store=spec.store))

    def parse(self, raw: object, place: Place) -> Row | Fault | None:
        """The row with its pictures opened, or why there is none; None for a comment."""
        row = parse_row(raw, place, self._spec.images_dir)
        if not isinstance(row, Row) or not any(message.images for message in row.messages):
            return row
        pictures = [image for message in row.messages for image in message.images]
        if self._is_blind and not self._spec.words_alone:
            return Fault(place, "blind", shortened(pictures[0].path))
        found: dict[Part, ImagePart] = {}
        for picture in pictures:
            try:
                found[picture] = self._open(picture)
            except ImageError as error:
                path = "" if is_data_url(picture.path) else picture.path
                return Fault(place, "bad_image", error.message, picture=path)
        messages = tuple(
            Message(message.role, tuple(found.get(part, part) for part in message.parts))
            for message in row.messages
        )
        return replace(row, messages=messages)

    def fit(self, row: Row) -> Fitted:
        """The ids of a parsed row, cut to the length; none of them may be learned."""
        assert self._tokenizer is not None
        messages = tuple(map(_words_of, row.messages)) if self._is_blind else row.messages
        return fit_conversation(
            messages, tokenizer=self._tokenizer, max_length=self._spec.max_length
        )

    def fault_of(self, row: Row, fitted: Fitted) -> Fault | None:
        """That nothing can be learned from a row, where that is so."""
        if fitted.learned.any():
            return None
        return Fault(row.place, "nothing_to_learn", f"{fitted.uncut} > {self._spec.max_length}")

    @property
    def _is_blind(self) -> bool:
        return self._tokenizer is not None and not self._tokenizer.image_tokens

    def _open(self, picture: ImagePart) -> ImagePart:
        if is_data_url(picture.path):
            return opened(picture, self._spec.store)
        return self._opened(picture)


def _words_of(message: Message) -> Message:
    return Message(
        message.role, tuple(part for part in message.parts if not isinstance(part, ImagePart))
    )
