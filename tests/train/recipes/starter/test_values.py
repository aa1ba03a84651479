# SPDX-License-Identifier: Apache-2.0
"""A directory goes on with the values that it was begun with."""

from __future__ import annotations

from pathlib import Path

import pytest

from yuren_core.errors import UsageError
from yuren_train.recipes.starter.values import keep_to


def test_other_values_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    file = tmp_path / "new" / "values.json"
    keep_to(file, {"seed": 0, "pictures": [1, 2]})
    before = file.read_bytes()
    keep_to(file, {"seed": 0, "pictures": [1, 2]})
    with pytest.raises(UsageError, match='"seed": 0') as caught:
        keep_to(file, {"seed": 1, "pictures": [1, 2]})
    assert str(file.parent) in str(caught.value)
    assert file.read_bytes() == before
