# SPDX-License-Identifier: Apache-2.0
"""Data files to samples: tokenized once, kept on disk, read at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from yuren_core.model.tokenization import ChatTokenizer
from yuren_train.config import Source
from yuren_train.data.samples import Sample
from yuren_train.data.schema import Fault

__all__ = ["Report", "Sample", "TokenizedRows", "tokenize"]

Progress = Callable[[int, int], None]
"""Told how many bytes of how many have been read."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the rows of the files, each counted once whatever its source's weight.

    Attributes:
        rows: that are trained on.
        comments: that hold only `__comment__`.
        cut: of `rows`, those that lost turns or the end of their answer.
        fault_counts: rows that are not trained on, by the code of their fault.
        faults: the first of them.
    """

    rows: int = 0
    comments: int = 0
    cut: int = 0
    fault_counts: Mapping[str, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


class TokenizedRows(Sequence[Sample]):
    """Samples by place; `rows[i]` reads from disk."""

    lengths: NDArray[np.int32]
    label_counts: NDArray[np.int32]
    image_counts: NDArray[np.int32]
    report: Report

    def split(self, fraction: float, *, seed: int) -> tuple[TokenizedRows, TokenizedRows]:
        """Part the rows in two: to train on, and to evaluate on."""
        raise NotImplementedError


def tokenize(
    sources: Sequence[Source],
    *,
    tokenizer: ChatTokenizer,
    max_length: int,
    images_dir: Path | None = None,
    workers: int = 0,
    on_bad_image: Literal["stop", "skip"] = "stop",
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> TokenizedRows:
    """Tokenize files, or read what was tokenized before."""
    raise NotImplementedError
