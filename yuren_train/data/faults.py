# SPDX-License-Identifier: Apache-2.0
"""What is wrong with training data, and where: said so that a person can mend it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yuren_core.i18n import tr


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
    picture: str = ""  # the path that it is about, where it is about one

    @property
    def what(self) -> str:
        """What is wrong, in the person's language."""
        return tr(f"data.fault.{self.code}")

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return tr(f"data.fault.{self.code}_remedy")

    def __str__(self) -> str:
        parts = filter(None, (self.what, self.value, self.remedy))
        return f"{self.place}: {tr('data.comma').join(parts)}"


class Wrong(Exception):
    """A row is faulty: the code and the value of the Fault that it becomes."""

    def __init__(self, code: str, value: str = "") -> None:
        super().__init__(code)
        self.code, self.value = code, value


def shortened(value: object) -> str:
    """A value as it stands in a message: one line, 60 characters at most, nothing unprintable."""
    text = repr(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:56]}…{text[-1]}"
