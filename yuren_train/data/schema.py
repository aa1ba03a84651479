# SPDX-License-Identifier: Apache-2.0
"""What a row of training data is, and what is wrong with one that is none.

Three shapes are read: ShareGPT as YuRen writes it (`conversations` of `from` and `value`),
LLaVA (the same with `image` or `images`, and `<image>` in the text) and OpenAI (`messages` of
`role` and `content`). Nothing is guessed or mended in silence: what cannot be learned from as it
stands is a `Fault`, which names the place, the value and the remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yuren_core.i18n import tr
from yuren_core.messages import Message


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: `line` is where it begins, counted from 1; None in Parquet."""

    file: Path
    line: int | None
    row: int

    def __str__(self) -> str:
        where = self.line if self.line is not None else tr("data.row", row=self.row)
        return f"{self.file}:{where}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at a place. `code` names the kind; `what` and `remedy` are its words.

    The words are looked up when they are read, so that a fault can be kept, counted and sent
    between processes, and is said in the language of whoever reads it.
    """

    place: Place
    code: str
    value: str = ""

    @property
    def what(self) -> str:
        """What is wrong, in the person's language."""
        return tr(f"data.fault.{self.code}")

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return tr(f"data.fault.{self.code}_remedy")

    def __str__(self) -> str:
        return f"{self.place}: {', '.join(filter(None, (self.what, self.value, self.remedy)))}"


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation that can be learned from. Pictures have no sha256 yet."""

    messages: tuple[Message, ...]
    place: Place
