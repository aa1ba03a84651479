# SPDX-License-Identifier: Apache-2.0
"""What became of the rows of data files: used, cut, passed over, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from yuren_train.data.faults import Fault, Place

_FAULTS_KEPT = 100


@dataclass(frozen=True, slots=True)
class Report:
    """What became of rows, each counted once whatever its source's weight.

    Attributes:
        rows: that are trained on.
        comments: that hold only `__comment__`.
        cut: of `rows`, those that lost turns or the end of an answer to the length.
        fault_counts: rows that are not trained on, by the code of their fault.
        faults: the first hundred of them.
        bad_pictures: paths of all pictures that could not be used.
    """

    rows: int = 0
    comments: int = 0
    cut: int = 0
    fault_counts: Mapping[str, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    bad_pictures: tuple[str, ...] = ()

    @classmethod
    def of(cls, *, rows: int, comments: int, cut: int, faults: Sequence[Fault]) -> Self:
        """A report on some rows, with what is wrong with the others."""
        return cls(
            rows,
            comments,
            cut,
            Counter(fault.code for fault in faults),
            tuple(faults[:_FAULTS_KEPT]),
            tuple(fault.picture for fault in faults if fault.picture),
        )

    @property
    def nothing_to_learn(self) -> int:
        """Rows of whose answers nothing is left within the length."""
        return self.fault_counts.get("nothing_to_learn", 0)

    @property
    def faulty(self) -> int:
        """Rows that are not trained on."""
        return sum(self.fault_counts.values())

    def plus(self, other: Report) -> Report:
        """Both together."""
        return Report(
            self.rows + other.rows,
            self.comments + other.comments,
            self.cut + other.cut,
            Counter(self.fault_counts) + Counter(other.fault_counts),
            (self.faults + other.faults)[:_FAULTS_KEPT],
            self.bad_pictures + other.bad_pictures,
        )

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads; the file of the faults is left out."""
        return {
            "rows": self.rows,
            "comments": self.comments,
            "cut": self.cut,
            "fault_counts": dict(self.fault_counts),
            "faults": [
                [fault.place.line, fault.place.row, fault.code, fault.value, fault.picture]
                for fault in self.faults
            ],
            "bad_pictures": list(self.bad_pictures),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], file: Path) -> Self:
        """The report on `file` that was written by `to_json`."""
        faults = tuple(
            Fault(Place(file, line, row), code, text, picture)
            for line, row, code, text, picture in value["faults"]
        )
        return cls(
            value["rows"],
            value["comments"],
            value["cut"],
            value["fault_counts"],
            faults,
            tuple(value["bad_pictures"]),
        )
