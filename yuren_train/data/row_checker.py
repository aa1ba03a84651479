# SPDX-License-Identifier: Apache-2.0
"""What is to be said about each row of a piece of a file; lives in each process of a pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from yuren_core.chatml import CONTROL_TOKENS, PAD
from yuren_core.messages import Role, TextPart
from yuren_train.data.encoding import EncoderSpec, RowEncoder
from yuren_train.data.faults import Fault, Place
from yuren_train.data.languages import language_of
from yuren_train.data.schema import Row
from yuren_train.data.sources import RawRow

Kind = Literal[
    "rows", "comments", "fault", "role", "turns", "language", "control", "replaced",
    "unanswered", "pictures", "with_pictures", "cut",
]  # fmt: skip
"""What is counted: under "fault", "role", "turns", "language" and "control" by value."""

_NUMBERS = np.dtype(
    [("key", "u8"), ("line", "i4"), ("uncut", "i4"), ("kept", "i4"), ("learned", "i4")]
)
"""What stays of each usable row: the hash of what is said, its line (in Parquet minus its row),
and its tokens."""

Numbers = NDArray[np.void]


@dataclass(slots=True)
class Seen:
    """What was found in the rows of a piece.

    Attributes:
        counts: rows (of roles: messages; of pictures: pictures) by kind and value.
        faults: what training would leave out.
        controls: control strings in texts, and where.
        replaced: rows in which a character was lost.
        numbers: of the usable rows, `_NUMBERS`; no tokens where there is no tokenizer.
    """

    counts: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    controls: list[tuple[Place, str]] = field(default_factory=list)
    replaced: list[Place] = field(default_factory=list)
    numbers: Numbers = field(default_factory=lambda: np.empty(0, _NUMBERS))


class RowChecker:
    """Looks at raw rows with the eyes of training."""

    def __init__(self, spec: EncoderSpec) -> None:
        self._encoder = RowEncoder(spec)
        self._counts_tokens = spec.tokenizer is not None
        special = spec.tokenizer.all_special_tokens if spec.tokenizer else ()
        self._controls = tuple(dict.fromkeys((*CONTROL_TOKENS, PAD, *special)))

    def __call__(self, rows: Sequence[RawRow]) -> Seen:
        seen = Seen()
        numbers: list[tuple[int, int, int, int, int]] = []
        for place, raw in rows:
            seen.counts["rows", ""] += 1
            match self._encoder.parse(raw, place):
                case None:
                    seen.counts["comments", ""] += 1
                case Fault() as fault:
                    seen.faults.append(fault)
                case Row() as row:
                    self._look_at(row, seen)
                    tokens = self._tokens_of(row, seen) if self._counts_tokens else (0, 0, 0)
                    numbers.append((_key_of(row), place.line or -place.row, *tokens))
        seen.numbers = np.array(numbers, _NUMBERS)
        seen.counts.update(("fault", fault.code) for fault in seen.faults)
        return seen

    def _look_at(self, row: Row, seen: Seen) -> None:
        texts = [message.text for message in row.messages]
        pictures = sum(len(message.images) for message in row.messages)
        seen.counts.update(("role", message.role.value) for message in row.messages)
        seen.counts["turns", str(len(row.messages))] += 1
        seen.counts["language", language_of("\n".join(texts))] += 1
        seen.counts["unanswered", ""] += row.messages[-1].role is not Role.ASSISTANT
        if any("\ufffd" in text for text in texts):
            seen.counts["replaced", ""] += 1
            seen.replaced.append(row.place)
        seen.counts["pictures", ""] += pictures
        seen.counts["with_pictures", ""] += pictures > 0
        for control in self._controls:
            if any(control in text for text in texts):
                seen.counts["control", control] += 1
                seen.controls.append((row.place, control))

    def _tokens_of(self, row: Row, seen: Seen) -> tuple[int, int, int]:
        fitted = self._encoder.fit(row)
        if (fault := self._encoder.fault_of(row, fitted)) is not None:
            seen.faults.append(fault)
            return fitted.uncut, 0, 0
        seen.counts["cut", ""] += fitted.is_cut
        return fitted.uncut, len(fitted.input_ids), int(fitted.learned.sum())


def _key_of(row: Row) -> int:
    """A hash of who says what, pictures by their content; equal rows have equal ones."""
    said = "\0".join(
        f"{message.role.value}\0{part.text if isinstance(part, TextPart) else part.sha256}"
        for message in row.messages
        for part in message.parts
    )
    return int.from_bytes(blake2b(said.encode(), digest_size=8).digest())
