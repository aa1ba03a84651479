# SPDX-License-Identifier: Apache-2.0
"""One conversation as the model gets it: ids, labels and pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yuren_core.messages import ImagePart
from yuren_train.data.faults import Place


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A tokenized conversation, cut to its length.

    Attributes:
        input_ids: (T,) int32.
        labels: (T,) int64, NOT shifted: the id itself where it is learned, else IGNORE_INDEX.
        images: the pictures whose patches are among the ids, in order, with their sha256.
        place: where the row stands.
    """

    input_ids: NDArray[np.int32]
    labels: NDArray[np.int64]
    images: tuple[ImagePart, ...]
    place: Place
